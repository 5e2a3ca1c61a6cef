//! THREAD by subject and by references (RFC 5256 sections 3 and 5).

use std::collections::HashMap;

use super::conversation::{Conversation, Result};
use super::keys::Candidate;
use super::rule::Event;
use super::sort::{base_subject, sent_at, subject};
use super::syntax::Arguments;
use super::text::lossy;
use crate::mailbox::Message;

/// A message that threads are made of, or one that is only spoken of.
#[derive(Debug, Default)]
struct Node {
    /// What it is called in the response; `None` if it is not there.
    number: Option<u32>,
    sent: i64,
    subject: String,
    is_reply: bool,
    parent: Option<usize>,
    children: Vec<usize>,
}

impl Conversation<'_> {
    pub fn thread(&mut self, arguments: &mut Arguments<'_>, by_uid: bool) -> Result<String> {
        self.checked(arguments.space())?;
        let algorithm = arguments.keyword();
        let algorithm = self.checked(algorithm)?;
        let is_known = matches!(algorithm.as_str(), "ORDEREDSUBJECT" | "REFERENCES");
        if !is_known || !self.server.has(&format!("THREAD={algorithm}")) {
            return Err(self.wrong("no such algorithm is offered"));
        }
        self.checked(arguments.space())?;
        self.charset(arguments)?;
        self.checked(arguments.space())?;
        let mut key = self.key(arguments)?;
        self.consult(Event::Thread, &[])?;
        let found = self.find(&mut key)?;
        let messages: Vec<(u32, Message)> = found
            .into_iter()
            .map(|(number, message)| (if by_uid { message.uid } else { number }, message))
            .collect();
        let (nodes, roots) = match algorithm.as_str() {
            "REFERENCES" => by_references(&messages),
            _ => by_subject(&messages),
        };
        let mut line = String::from("* THREAD");
        for (index, root) in roots.iter().enumerate() {
            line.push_str(if index == 0 { " " } else { "" });
            line.push_str(&told(&nodes, *root));
        }
        self.say(&line)?;
        Ok("OK THREAD completed".to_owned())
    }
}

fn node(number: u32, message: &Message) -> Node {
    let mut candidate = Candidate::new(message, false);
    let (base, is_reply) = base_subject(&subject(&mut candidate));
    Node {
        number: Some(number),
        sent: sent_at(&mut candidate),
        subject: base,
        is_reply,
        ..Node::default()
    }
}

/// RFC 5256 section 3, ORDEREDSUBJECT: the first message of a subject, and all others below it.
fn by_subject(messages: &[(u32, Message)]) -> (Vec<Node>, Vec<usize>) {
    let mut nodes: Vec<Node> = messages
        .iter()
        .map(|(number, one)| node(*number, one))
        .collect();
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    sort(&mut order, &nodes);
    let mut first: HashMap<String, usize> = HashMap::new();
    let mut roots = Vec::new();
    for index in order {
        let Some(subject) = nodes.get(index).map(|node| node.subject.clone()) else {
            continue;
        };
        match first.get(&subject) {
            Some(parent) => link(&mut nodes, *parent, index),
            None => {
                first.insert(subject, index);
                roots.push(index);
            }
        }
    }
    (nodes, roots)
}

/// RFC 5256 section 3, REFERENCES: its six steps.
fn by_references(messages: &[(u32, Message)]) -> (Vec<Node>, Vec<usize>) {
    let mut nodes: Vec<Node> = Vec::new();
    let mut by_id: HashMap<String, usize> = HashMap::new();
    for (number, message) in messages {
        let mut candidate = Candidate::new(message, false);
        let part = candidate.part();
        let mut references = ids(part.field("References").unwrap_or_default());
        if references.is_empty() {
            references = ids(part.field("In-Reply-To").unwrap_or_default());
            references.truncate(1);
        }
        let own = ids(part.field("Message-ID").unwrap_or_default())
            .into_iter()
            .next();
        let filled = node(*number, message);
        let known = own.as_ref().and_then(|own| by_id.get(own)).copied();
        let is_free = |known: &usize| nodes.get(*known).is_some_and(|node| node.number.is_none());
        let here = match known.filter(is_free) {
            // It was spoken of before it came.
            Some(known) => {
                if let Some(node) = nodes.get_mut(known) {
                    let Node {
                        parent, children, ..
                    } = std::mem::take(node);
                    *node = Node {
                        parent,
                        children,
                        ..filled
                    };
                }
                known
            }
            None => {
                nodes.push(filled);
                let here = nodes.len() - 1;
                if let (None, Some(own)) = (known, own) {
                    by_id.insert(own, here);
                }
                here
            }
        };
        let mut above: Option<usize> = None;
        for reference in references {
            let next = *by_id.entry(reference).or_insert_with(|| {
                nodes.push(Node::default());
                nodes.len() - 1
            });
            if let Some(above) = above {
                if nodes.get(next).is_some_and(|node| node.parent.is_none()) {
                    adopt(&mut nodes, above, next);
                }
            }
            above = Some(next);
        }
        if let Some(above) = above {
            release(&mut nodes, here);
            adopt(&mut nodes, above, here);
        }
    }
    let roots: Vec<usize> = (0..nodes.len())
        .filter(|index| nodes.get(*index).is_some_and(|node| node.parent.is_none()))
        .collect();
    let mut roots = prune(&mut nodes, roots);
    sort(&mut roots, &nodes);
    let roots = gather(&mut nodes, roots);
    sort_all(&mut nodes);
    let mut roots = roots;
    sort(&mut roots, &nodes);
    (nodes, roots)
}

/// The msg-ids of a field.
fn ids(field: &[u8]) -> Vec<String> {
    let text = lossy(field);
    let pieces = text
        .split('<')
        .skip(1)
        .filter_map(|piece| piece.split_once('>'));
    pieces.map(|(id, _)| id.to_owned()).collect()
}

/// Makes `child` a child of `parent`, unless that would be a loop.
fn adopt(nodes: &mut [Node], parent: usize, child: usize) {
    let mut above = Some(parent);
    while let Some(index) = above {
        if index == child {
            return;
        }
        above = nodes.get(index).and_then(|node| node.parent);
    }
    link(nodes, parent, child);
}

fn link(nodes: &mut [Node], parent: usize, child: usize) {
    if let Some(node) = nodes.get_mut(child) {
        node.parent = Some(parent);
    }
    if let Some(node) = nodes.get_mut(parent) {
        node.children.push(child);
    }
}

fn release(nodes: &mut [Node], child: usize) {
    let parent = nodes.get_mut(child).and_then(|node| node.parent.take());
    if let Some(parent) = parent.and_then(|parent| nodes.get_mut(parent)) {
        parent.children.retain(|one| *one != child);
    }
}

/// Step 3: what is not there goes, and its children take its place, but only one at the top.
fn prune(nodes: &mut [Node], roots: Vec<usize>) -> Vec<usize> {
    // From the leaves up, without recursion: chains may be long.
    let mut order = Vec::new();
    let mut waiting = roots.clone();
    while let Some(index) = waiting.pop() {
        order.push(index);
        waiting.extend(nodes.get(index).into_iter().flat_map(|node| &node.children));
    }
    for index in order.into_iter().rev() {
        let children = nodes
            .get_mut(index)
            .map(|node| std::mem::take(&mut node.children));
        let children = children.unwrap_or_default();
        let mut kept = Vec::new();
        for child in children {
            let is_there = nodes.get(child).is_some_and(|node| node.number.is_some());
            let promoted = match nodes.get_mut(child) {
                Some(node) if !is_there => std::mem::take(&mut node.children),
                _ => vec![child],
            };
            kept.extend(promoted);
        }
        for child in &kept {
            if let Some(node) = nodes.get_mut(*child) {
                node.parent = Some(index);
            }
        }
        if let Some(node) = nodes.get_mut(index) {
            node.children = kept;
        }
    }
    let mut kept = Vec::new();
    for root in roots {
        let Some(node) = nodes.get(root) else {
            continue;
        };
        match (node.number, node.children.as_slice()) {
            (None, []) => {}
            (None, [only]) => kept.push(*only),
            _ => kept.push(root),
        }
    }
    for root in &kept {
        if let Some(node) = nodes.get_mut(*root) {
            node.parent = None;
        }
    }
    kept
}

/// Step 5: threads of the same subject become one.
fn gather(nodes: &mut Vec<Node>, roots: Vec<usize>) -> Vec<usize> {
    let shown = |nodes: &[Node], root: usize| {
        let node = nodes.get(root);
        match node {
            Some(node) if node.number.is_none() => node.children.first().copied().unwrap_or(root),
            _ => root,
        }
    };
    let mut table: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<usize> = Vec::new();
    for root in roots {
        let (subject, is_reply) = match nodes.get(shown(nodes, root)) {
            Some(node) => (node.subject.clone(), node.is_reply),
            None => continue,
        };
        let known = table.get(&subject).copied().filter(|_| !subject.is_empty());
        let Some(known) = known else {
            table.insert(subject, root);
            kept.push(root);
            continue;
        };
        let is_there = |index: usize| nodes.get(index).is_some_and(|node| node.number.is_some());
        let known_is_reply = nodes
            .get(shown(nodes, known))
            .is_some_and(|node| node.is_reply);
        match (is_there(known), is_there(root)) {
            (false, false) => {
                let children = nodes
                    .get_mut(root)
                    .map(|node| std::mem::take(&mut node.children));
                for child in children.unwrap_or_default() {
                    link(nodes, known, child);
                }
            }
            (false, true) => link(nodes, known, root),
            (true, true) if is_reply && !known_is_reply => link(nodes, known, root),
            _ => {
                // Both become children of one that is not there.
                let head = nodes.len();
                nodes.push(Node::default());
                kept.retain(|one| *one != known);
                link(nodes, head, known);
                link(nodes, head, root);
                table.insert(subject, head);
                kept.push(head);
            }
        }
    }
    kept
}

/// Step 4 and 6: siblings are in the order in which they were sent.
fn sort_all(nodes: &mut [Node]) {
    for index in 0..nodes.len() {
        let children = nodes
            .get_mut(index)
            .map(|node| std::mem::take(&mut node.children));
        let mut children = children.unwrap_or_default();
        sort(&mut children, nodes);
        if let Some(node) = nodes.get_mut(index) {
            node.children = children;
        }
    }
}

/// One that is not there counts as its first child.
fn sort(indexes: &mut [usize], nodes: &[Node]) {
    indexes.sort_by_key(|index| {
        let node = nodes.get(*index);
        let child = node.filter(|node| node.number.is_none()).and_then(|node| {
            let children = node.children.iter().filter_map(|child| nodes.get(*child));
            children.min_by_key(|child| (child.sent, child.number))
        });
        child.or(node).map(|node| (node.sent, node.number))
    });
}

/// What is still to be written of a thread.
enum Step {
    Node(usize),
    Text(&'static str),
}

/// `(1 2 (3)(4 5))`, without recursion.
fn told(nodes: &[Node], root: usize) -> String {
    let mut text = String::new();
    let mut steps = vec![Step::Text(")"), Step::Node(root), Step::Text("(")];
    while let Some(step) = steps.pop() {
        let index = match step {
            Step::Text(piece) => {
                text.push_str(piece);
                continue;
            }
            Step::Node(index) => index,
        };
        let Some(node) = nodes.get(index) else {
            continue;
        };
        if let Some(number) = node.number {
            text.push_str(&number.to_string());
        }
        let gap = if node.number.is_some() { " " } else { "" };
        match node.children.as_slice() {
            [] => {}
            [only] => steps.extend([Step::Node(*only), Step::Text(gap)]),
            several => {
                for child in several.iter().rev() {
                    steps.extend([Step::Text(")"), Step::Node(*child), Step::Text("(")]);
                }
                steps.push(Step::Text(gap));
            }
        }
    }
    text
}
