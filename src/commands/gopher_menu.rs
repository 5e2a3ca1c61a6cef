//! `proto gopher-menu URL`: the items of a menu, with numbers, or what an item leads to.

use proto_gopher::{Form, Item, Kind, Plus, Row, Target};
use proto_transport::escape::escaped;
use proto_transport::{Error, Result, Security};
use serde_json::json;

use crate::cli::CommonArgs;
use crate::download::retrying;
use crate::fetching::reported;
use crate::gopher::{searching, target, Fetching, OutputArgs, Service};
use crate::progress::Progress;
use crate::report::{Record, Stage};
use crate::rows::Rows;

/// Show a menu of a gopher server.
#[derive(clap::Args)]
pub struct Args {
    /// The menu: gopher://host/1/selector, gophers:// or host[:port][/TYPESELECTOR]
    url: String,
    /// Follow the item of this number instead of showing the menu (repeatable: one menu after the
    /// other); what is no menu is fetched
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    follow: Vec<u32>,
    /// Words for the search (an item of the type 7) on the way; ?words behind the URL says the same
    #[arg(long, value_name = "WORDS")]
    search: Option<String>,
    /// One JSON object an item
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Shows the menu, or what its item is.
pub fn run(args: &Args) -> Result<u8> {
    let first = target(&args.url)?;
    if first.kind.form() != Form::Menu {
        return Err(Error::illegal(format!(
            "the URL names an item of the kind {} and no menu; see gopher-get",
            first.kind.name()
        )));
    }
    if args.output.is_given() && args.follow.is_empty() {
        return Err(Error::illegal(
            "-o, -O and --raw are for an item that is followed; see --follow",
        ));
    }
    let service = Service::new(&args.common)?;
    let progress = Progress::new(args.common.looking.quiet, 1);
    let looking = Looking {
        args,
        service: &service,
        progress: &progress,
    };
    reported("gopher-menu", first.url(), &args.common, |record, _| {
        let say = |text: &str| progress.say(text);
        retrying(&args.common, say, |this| {
            looking.run(first.clone(), record, &mut this.is_last)
        })
    })
}

/// The way from the first menu to what is shown.
struct Looking<'a> {
    args: &'a Args,
    service: &'a Service,
    progress: &'a Progress,
}

impl Looking<'_> {
    fn run(&self, first: Target, record: &mut Record, began: &mut bool) -> Result<()> {
        let mut words = self.args.search.as_deref();
        let mut target = self.words_for(first, &mut words)?;
        for number in &self.args.follow {
            let next = self.follow(&target, *number, record)?;
            target = self.words_for(next, &mut words)?;
        }
        if words.is_some() {
            return Err(Error::illegal(
                "--search is for items of the type 7, and there was none on the way",
            ));
        }
        match target.kind.form() {
            Form::Menu if !self.args.output.is_given() => self.show(&target, record, began),
            _ => self.fetch(&target, record, began),
        }
    }

    /// Gives the words to the first item that can use them.
    fn words_for(&self, target: Target, words: &mut Option<&str>) -> Result<Target> {
        match target.kind {
            Kind::Search => searching(target, words.take()),
            _ => Ok(target),
        }
    }

    /// What the item of this number asks for. Only a menu has items.
    fn follow(&self, menu: &Target, number: u32, record: &mut Record) -> Result<Target> {
        let mut found = None;
        let mut count = 0;
        if menu.kind.form() == Form::Menu {
            let mut client = self.service.connect(menu, record)?;
            client.menu(&mut |row| {
                if let Row::Item(item) = row {
                    count += u32::from(has_number(&item));
                    if count == number && found.is_none() {
                        found = Some(item);
                    }
                }
                Ok(())
            })?;
        }
        let item = found.ok_or_else(|| Error::Refused {
            peer: menu.endpoint.to_string(),
            doing: format!("following item {number}"),
            reply: format!("{} has {count} items", menu.url()),
            refusal: proto_transport::Refusal::Lasting,
        })?;
        // No menu says how its items are spoken to; they are never less safe than it was.
        let security = menu.endpoint.security;
        match item.url(security) {
            Some(url) if item.target(security).is_err() || !url.starts_with("gopher") => {
                Err(Error::illegal(format!(
                    "item {number} leads to {}, which is not gopher",
                    escaped(url.as_bytes())
                )))
            }
            None => Err(Error::illegal(format!(
                "item {number} leads nowhere that is safe to follow"
            ))),
            Some(_) => item.target(security),
        }
    }

    fn fetch(&self, target: &Target, record: &mut Record, began: &mut bool) -> Result<()> {
        let fetching = Fetching {
            service: self.service,
            output: &self.args.output,
            common: &self.args.common,
            progress: self.progress,
        };
        fetching.fetch(target, record, began)
    }

    fn show(&self, target: &Target, record: &mut Record, began: &mut bool) -> Result<()> {
        let mut client = self.service.connect(target, record)?;
        record.stage = Stage::Transfer;
        let mut rows = Rows::new(self.args.json, self.args.common.report.is_some());
        let (mut number, mut malformed) = (0, 0);
        let security = target.endpoint.security;
        let result = client.menu(&mut |row| {
            *began = true;
            let place = match &row {
                Row::Item(item) if has_number(item) => {
                    number += 1;
                    Some(number)
                }
                Row::Item(_) => None,
                Row::Malformed(_) => {
                    malformed += 1;
                    None
                }
            };
            rows.add(|| text_of(&row, place), || item_of(&row, place, security))
        });
        record.items = rows.into_items();
        let has_dot = result?;
        if number == 0 && malformed > 0 && !has_dot {
            crate::warn("this has no items and no end; it may be an error message or a text");
        }
        Ok(())
    }
}

/// Whether an item is one that could be followed, and so is counted.
fn has_number(item: &Item) -> bool {
    !matches!(item.kind, Kind::Info | Kind::Error)
}

fn text_of(row: &Row, number: Option<u32>) -> String {
    let number = number.map_or_else(String::new, |number| number.to_string());
    let (kind, display) = match row {
        Row::Item(item) if item.kind == Kind::Info => ("", &item.display),
        Row::Item(item) => (item.kind.name(), &item.display),
        Row::Malformed(text) => ("malformed", text),
    };
    let text = format!("{number:>5}  {kind:11}  {}", escaped(display.as_bytes()));
    text.trim_end().to_owned()
}

fn item_of(row: &Row, number: Option<u32>, security: Security) -> serde_json::Value {
    match row {
        Row::Item(item) => json!({
            "number": number,
            "kind": item.kind.name(),
            "type": item.kind.character().to_string(),
            "display": item.display,
            "selector": String::from_utf8_lossy(&item.selector),
            "host": item.host,
            "port": item.port,
            "url": item.url(security),
            "plus": item.plus.map(|plus| match plus {
                Plus::Attributes => "attributes",
                Plus::Form => "form",
            }),
        }),
        Row::Malformed(text) => json!({ "number": null, "kind": "malformed", "display": text }),
    }
}
