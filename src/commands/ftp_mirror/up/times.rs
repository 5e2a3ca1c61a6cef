//! Whether a file on the server is still the one here, as its time tells. Sizes agree already.
//!
//! A listing tells a time that may lie anywhere in a minute or a day, and in the server's zone, which
//! is not told. So it stands for a span of time. Where that leaves open which of two times is the
//! later, MDTM tells the server's to the second and in UTC (RFC 3659 section 3).

use std::ops::Range;

use proto_ftp::{Modified, Moment};

use crate::ftp::download::{agrees, unit};

/// What a listing tells of a file that has the size of the one here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one here.
    Same,
    /// It is another.
    Other,
    /// The listing leaves it open.
    Open,
}

const HOUR: i64 = 60 * 60;

/// How far the clocks of a zone are before UTC at most, and behind it.
const EAST: i64 = 14 * HOUR;
const WEST: i64 = 12 * HOUR;

/// What a listing tells of a file that was changed here at `here`. A server that `keeps_times` has
/// given it this time, and another the one at which it was sent.
pub fn verdict(here: i64, there: Option<&Modified>, keeps_times: bool) -> Verdict {
    let Some(there) = there else {
        return Verdict::Open;
    };
    let span = span(there);
    match (here < span.start, here >= span.end) {
        (true, _) if keeps_times => Verdict::Other,
        (true, _) => Verdict::Same,
        (_, true) => Verdict::Other,
        _ if span.end - span.start == 1 => Verdict::Same,
        // It was sent after it was changed.
        _ if here == span.start && !keeps_times => Verdict::Same,
        _ => Verdict::Open,
    }
}

/// When a file may have been changed: from the first of these seconds up to before the last.
fn span(there: &Modified) -> Range<i64> {
    let (unit, moment) = (unit(there.precision), there.moment.to_unix());
    let (east, west) = match there.is_utc {
        true => (0, 0),
        false => (EAST, WEST),
    };
    moment.saturating_sub(east)..moment.saturating_add(unit + west)
}

/// Whether it is the one here, when the time there is known exactly.
pub fn is_same(here: i64, there: Moment, keeps_times: bool) -> bool {
    match keeps_times {
        true => here == there.to_unix(),
        false => here <= there.to_unix(),
    }
}

/// How far the server's clock is ahead at least, as what lies in the future shows: some servers tell
/// MDTM in their own zone (vsftpd with `use_localtime`). Zones are whole quarters of an hour apart.
pub fn ahead(sent: impl Iterator<Item = Moment>, now: Moment) -> i64 {
    const QUARTER: i64 = HOUR / 4;
    /// What clocks may be wrong.
    const SLACK: i64 = 60;
    let latest = sent.max().map_or(0, Moment::to_unix);
    let early = latest - now.to_unix() - SLACK;
    (early.max(0) + QUARTER - 1) / QUARTER * QUARTER
}

/// Whether it is taken for the one here where nothing tells more than the listing. The zone is taken
/// for UTC; a file that may have been changed after it was sent is sent once more.
pub fn is_taken_for_same(here: i64, there: Option<&Modified>, keeps_times: bool) -> bool {
    there.is_some_and(|there| match keeps_times {
        true => agrees(here, there),
        false => here <= there.moment.to_unix() - unit(there.precision),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_ftp::Precision;

    #[test]
    fn only_what_the_listing_leaves_open_is_asked_for() {
        use Precision::{Day, Minute, Second};
        use Verdict::{Open, Other, Same};
        const NOON: i64 = 1_700_049_600;
        for (precision, is_utc, after, kept, sent) in [
            (Second, true, -1, Other, Same),
            (Second, true, 0, Same, Same),
            (Second, true, 1, Other, Other),
            (Minute, true, -1, Other, Same),
            (Minute, true, 0, Open, Same),
            (Minute, true, 1, Open, Open),
            (Minute, true, 59, Open, Open),
            (Minute, true, 60, Other, Other),
            // From the first zone to the last.
            (Minute, false, -14 * HOUR - 1, Other, Same),
            (Minute, false, -14 * HOUR + 1, Open, Open),
            (Minute, false, 12 * HOUR + 59, Open, Open),
            (Minute, false, 12 * HOUR + 60, Other, Other),
            (Day, false, 36 * HOUR - 1, Open, Open),
            (Day, false, 36 * HOUR, Other, Other),
        ] {
            let there = Modified {
                moment: Moment::from_unix(NOON).unwrap(),
                precision,
                is_utc,
            };
            let told = |keeps| verdict(NOON + after, Some(&there), keeps);
            let text = format!("{precision:?} {is_utc} {after}");
            assert_eq!((told(true), told(false)), (kept, sent), "{text}");
        }
        assert_eq!(verdict(NOON, None, true), Open);
        assert!(!is_taken_for_same(NOON, None, true));
    }

    #[test]
    fn what_is_known_decides() {
        let there = Moment::from_unix(600).unwrap();
        let same = |here| (is_same(here, there, true), is_same(here, there, false));
        assert_eq!(same(599), (false, true));
        assert_eq!(same(600), (true, true));
        assert_eq!(same(601), (false, false));
        let listed = Modified {
            moment: there,
            precision: Precision::Minute,
            is_utc: false,
        };
        let same = |here| {
            let same = |keeps| is_taken_for_same(here, Some(&listed), keeps);
            (same(true), same(false))
        };
        assert_eq!(same(540), (false, true));
        assert_eq!(same(541), (false, false));
        assert_eq!(same(630), (true, false));
        assert_eq!(same(660), (false, false));
    }

    #[test]
    fn what_lies_in_the_future_tells_the_zone() {
        let at = |seconds| Moment::from_unix(1_700_000_000 + seconds).unwrap();
        for (latest, wanted) in [
            (-HOUR, 0),
            (59, 0),
            (9 * HOUR, 9 * HOUR),
            (9 * HOUR + 10, 9 * HOUR),
            (9 * HOUR - 600, 9 * HOUR),
            (9 * HOUR - 1200, 9 * HOUR - 900),
        ] {
            let sent = [at(-HOUR), at(latest)].into_iter();
            assert_eq!(ahead(sent, at(0)), wanted, "{latest}");
        }
        assert_eq!(ahead([].into_iter(), at(0)), 0);
    }
}
