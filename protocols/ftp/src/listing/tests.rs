use super::*;
use crate::moment::Precision;

fn now() -> Moment {
    Moment::parse(b"20240615120000").unwrap()
}

/// A line as text: kind, size, time, name, and where it leads.
fn told(line: Line) -> String {
    let entry = match line {
        Line::Entry(entry) => entry,
        Line::Nothing => return "nothing".to_owned(),
        Line::Unknown(_) => return "unknown".to_owned(),
        Line::BadName(_) => return "bad".to_owned(),
    };
    let kind = match entry.kind {
        Kind::File => "file",
        Kind::Folder => "folder",
        Kind::Link => "link",
        Kind::Other => "other",
    };
    let size = entry.size.map_or("-".to_owned(), |size| size.to_string());
    let time = entry.modified.map_or("-".to_owned(), |modified| {
        let text = modified.moment.to_string();
        let end = match modified.precision {
            Precision::Day => 8,
            Precision::Minute => 12,
            Precision::Second => 14,
        };
        let zone = if modified.is_utc { "Z" } else { "" };
        format!("{}{zone}", &text[..end])
    });
    let name = proto_transport::escape::escaped(&entry.name);
    let target = entry.target.map_or(String::new(), |target| {
        format!(" > {}", proto_transport::escape::escaped(&target))
    });
    format!("{kind} {size} {time} {name}{target}")
}

fn list(line: &str) -> String {
    told(Listing::new(now()).line(line.as_bytes()))
}

#[test]
fn unix_of_every_age() {
    for (line, wanted) in [
        (
            "-rw-r--r--   1 root     other        531 Jan 29 03:26 README",
            "file 531 202401290326 README",
        ),
        (
            "dr-xr-xr-x   2 root     other        512 Apr  8  1994 etc",
            "folder - 19940408 etc",
        ),
        (
            "dr-xr-xr-x   2 root     512 Apr  8  1994 etc",
            "folder - 19940408 etc",
        ),
        (
            "lrwxrwxrwx   1 root     other          7 Jan 25 00:17 bin -> usr/bin",
            "link - 202401250017 bin > usr/bin",
        ),
        (
            "-rw-r--r-- 1 1000 1000 1234567890123 Dec 31 23:59 last year",
            "file 1234567890123 202312312359 last year",
        ),
        (
            "-rw-r--r-- 1 a b 5 Jun 16 11:00 tomorrow",
            "file 5 202406161100 tomorrow",
        ),
        (
            "-rw-r--r-- 1 a b 5 Jun 17 11:00 not tomorrow",
            "file 5 202306171100 not tomorrow",
        ),
        (
            "-rw-r--r-- 1 a b 5 Feb 29 11:00 leap",
            "file 5 202402291100 leap",
        ),
        (
            "brw-rw---- 1 root disk 8, 0 Jan 29 03:26 sda",
            "other - 202401290326 sda",
        ),
        (
            "crw-rw-rw- 1 root root 1,3 Jan 29 03:26 null",
            "other - 202401290326 null",
        ),
        (
            "-rw-r--r--+ 1 a b 5 2023-04-08 09:30 x",
            "file 5 202304080930 x",
        ),
        (
            "-rw-r--r-- 1 a b 5 2023-04-08 09:30:15.000000000 +0200 x",
            "file 5 20230408073015Z x",
        ),
        ("-rw-r--r-- 1 a b 5 04-08 09:30 x", "file 5 202404080930 x"),
        (
            "-rw-r--r-- 1 a b 5 Apr  8 09:30:15 2021 x",
            "file 5 20210408093015 x",
        ),
        (
            "-rw-r--r-- 1 a b 5 Thu Apr 08 09:30:15 2021 x",
            "file 5 20210408093015 x",
        ),
        ("-rw-r--r-- 1 a b 5 8. Apr 2021 x", "file 5 20210408 x"),
        ("-rw-r--r-- 1 a b 5  8 Mär 09:30 x", "file 5 202403080930 x"),
        (
            "-rw-r--r-- 1 a b 5 Apr  8  1994  two spaces ",
            "file 5 19940408  two spaces ",
        ),
        (
            "-rw-r--r-- 1 a b 5 Apr  8  1994 2024-01-01 10:00 log",
            "file 5 19940408 2024-01-01 10:00 log",
        ),
        ("-rwsr-sr-t 1 a b c 5 Apr  8  1994 x", "file 5 19940408 x"),
        (
            "drwxrwxr-x               folder        2 May 10  1996 network",
            "folder - 19960510 network",
        ),
        (
            "-------r--         326  1391972  1392298 Nov 22  1995 MegaPhone.sit",
            "file 1392298 19951122 MegaPhone.sit",
        ),
        ("-rw-r--r-- 1 Jan May 5 Apr  8  1994 x", "file 5 19940408 x"),
        ("total 1234", "nothing"),
        ("total 1.5M", "nothing"),
        ("", "nothing"),
        ("drwxr-xr-x 2 a b 5 Apr  8  1994 .", "nothing"),
        ("drwxr-xr-x 2 a b 5 Apr  8  1994 ..", "nothing"),
        ("-rw-r--r-- 2 a b 5 Apr  8  1994 ..", "bad"),
        ("-rw-r--r-- 2 a b 5 Apr  8  1994 ../../etc/passwd", "bad"),
        ("-rw-r--r-- 2 a b 5 Apr  8  1994 /etc/passwd", "bad"),
        ("-rw-r--r-- 2 a b 5 Apr  8  1994 a\0b", "bad"),
        ("-rw-r--r-- 2 a b 5 Apr  8  1994 ", "bad"),
        ("-rw-r--r-- 2 a b 5 Apr  8  1994", "unknown"),
        ("-rw-r--r-- 2 a b 5 Feb 30  1994 x", "unknown"),
        ("ls: cannot open", "unknown"),
        ("-rw-r--rq- 2 a b 5 Apr  8  1994 x", "unknown"),
    ] {
        assert_eq!(list(line), wanted, "{line}");
    }
}

#[test]
fn other_systems() {
    for (line, wanted) in [
        (
            "04-27-00  09:09PM       <DIR>          licensed",
            "folder - 200004272109 licensed",
        ),
        (
            "04-27-00  12:09AM       <DIR>            two before",
            "folder - 200004270009   two before",
        ),
        (
            "07-18-2000  10:16AM                15060 cis vpr",
            "file 15060 200007181016 cis vpr",
        ),
        (
            "2012-10-23  14:02            1,234,567 x",
            "file 1234567 201210231402 x",
        ),
        (
            "10-23-12  02:02PM    <SYMLINKD>     here [C:\\there]",
            "link - 201210231402 here > C:\\there",
        ),
        (
            "10-23-12  02:02PM    <JUNCTION>     here",
            "link - 201210231402 here",
        ),
        ("13-23-12  02:02PM    5 x", "unknown"),
        ("10-23-12  13:02PM    5 x", "unknown"),
        (
            "+i8388621.48594,m825718503,r,s280,up644,\tdjb.html",
            "file 280 19960301221503Z djb.html",
        ),
        (
            "+i8388621.50690,m824255907,/,\t514",
            "folder - 19960213235827Z 514",
        ),
        ("+/,\t../x", "bad"),
        (
            "d [R----F--] supervisor            512       Jan 16 18:53    login",
            "folder - 202401161853 login",
        ),
        (
            "- [R----F--] rhesus             214059       Oct 20 15:27    cx.exe",
            "file 214059 202310201527 cx.exe",
        ),
        (
            "CORE.DIR;1          1  8-SEP-1996 16:09 [SYSTEM] (RWE,RWE,RE,RE)",
            "folder - 199609081609 CORE",
        ),
        (
            "README.TXT;34  213/216  29-JAN-1996 03:33:12.11 [ANONYMOU,ANON] (RWED,RWED,,)",
            "file - 19960129033312 README.TXT",
        ),
        (
            "00README.TXT;1      %RMS-E-PRV, insufficient privilege or file protection violation",
            "file - - 00README.TXT",
        ),
        ("Directory USER:[PUBLIC]", "nothing"),
        ("Total of 11 Files, 2703 Blocks.", "nothing"),
        (
            "QSYS            77824 02/23/00 15:09:55 *DIR       QOpenSys/",
            "folder - 20000223150955 QOpenSys",
        ),
        (
            "QSYS            77824 23.02.00 15:09:55 *STMF      a name",
            "file 77824 20000223150955 a name",
        ),
        (
            "QSYS            77824 23/02/00 15:09:55 *STMF      x",
            "file 77824 20000223150955 x",
        ),
        (
            "QPGMR           *MEM       SOURCE.MBR",
            "file - - SOURCE.MBR",
        ),
        ("QPGMR           *MEM       LIB.FILE/SOURCE.MBR", "bad"),
    ] {
        assert_eq!(list(line), wanted, "{line}");
    }
}

#[test]
fn a_name_of_vms_may_have_its_own_line() {
    let mut listing = Listing::new(now());
    let mut next = |line: &str| told(listing.line(line.as_bytes()));
    assert_eq!(next("CII-MANUAL.TEX;1"), "nothing");
    assert_eq!(
        next("   213/216  29-JAN-1996 03:33:12  [ANONYMOU] (RWED,,)"),
        "file - 19960129033312 CII-MANUAL.TEX"
    );
    assert_eq!(next("CII-MANUAL.TEX;2"), "nothing");
    assert_eq!(told(listing.end()), "unknown");
    assert_eq!(told(listing.end()), "nothing");
    listing.line(b"CII-MANUAL.TEX;2");
    let both = listing.line(b"-rw-r--r-- 1 a b 5 Apr  8  1994 x");
    assert!(matches!(both, Line::Unknown(raw) if raw.starts_with(b"CII") && raw.ends_with(b"x")));
}

#[test]
fn facts_of_the_rfc() {
    for (line, wanted) in [
        ("Type=cdir;Modify=19981107085215;Perm=el; tmp", "nothing"),
        ("Type=pdir;Perm=e; ..", "nothing"),
        (
            "type=file;size=25730;modify=19940728095854;perm=; cap60.pl198.tar.gz",
            "file 25730 19940728095854Z cap60.pl198.tar.gz",
        ),
        (
            "Type=dir;Size=99;Modify=19981107085215.5;  two spaces",
            "folder - 19981107085215Z  two spaces",
        ),
        (
            "Type=OS.unix=slink:/foobar;Perm=; foo",
            "link - - foo > /foobar",
        ),
        ("Type=OS.unix=symlink; foo", "link - - foo"),
        ("Type=OS.unix=blkdev; foo", "other - - foo"),
        ("type=file;size=-1;modify=x; a", "file - - a"),
        ("type=file;size=99999999999999999999; a", "file - - a"),
        ("type=file; ../a", "bad"),
        ("type=file; a/b", "bad"),
        ("type=dir; ..", "nothing"),
        ("type=file; ", "bad"),
        (" name", "other - - name"),
        ("type=file;", "unknown"),
        ("nonsense here", "unknown"),
        ("", "nothing"),
    ] {
        assert_eq!(told(machine_line(line.as_bytes())), wanted, "{line}");
    }
    let Line::Entry(entry) = machine_line(b"type=file;UNIX.mode=0644; \xff\xfe") else {
        panic!("an entry")
    };
    assert_eq!(
        (entry.name.as_slice(), entry.mode),
        (&b"\xff\xfe"[..], Some(0o644))
    );
}

#[test]
fn permissions_are_bits() {
    for (text, mode) in [
        ("rwxr-xr-x", 0o755),
        ("rwsr-sr-t", 0o7755),
        ("rw-r-Sr-T", 0o3644),
        ("---------", 0),
    ] {
        let line = format!("-{text} 1 a b 5 Apr  8  1994 x");
        match Listing::new(now()).line(line.as_bytes()) {
            Line::Entry(entry) => assert_eq!(entry.mode, Some(mode), "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn names_that_are_not_utf_8_are_kept() {
    match Listing::new(now()).line(b"-rw-r--r-- 1 a b 5 Apr  8  1994 caf\xe9") {
        Line::Entry(entry) => assert_eq!(entry.name, b"caf\xe9"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_prefix_is_read_without_harm() {
    for line in [
        "-rw-r--r-- 1 a b 5 2023-04-08 09:30:15.000000000 +0200 x",
        "lrwxrwxrwx   1 root     other          7 Jan 25 00:17 bin -> usr/bin",
        "brw-rw---- 1 root disk 8, 0 Jan 29 03:26 sda",
        "10-23-12  02:02PM    <SYMLINKD>     here [C:\\there]",
        "+i8388621.48594,m825718503,r,s280,up644,\tdjb.html",
        "d [R----F--] supervisor            512       Jan 16 18:53    login",
        "README.TXT;34  213/216  29-JAN-1996 03:33:12.11 [ANONYMOU,ANON] (RWED,RWED,,)",
        "QSYS            77824 02/23/00 15:09:55 *DIR       QOpenSys/",
        "type=file;size=25730;modify=19940728095854;perm=; cap60",
    ] {
        for length in 0..line.len() {
            let part = &line.as_bytes()[..length];
            let mut listing = Listing::new(now());
            let first = listing.line(part);
            let _ = (listing.line(part), listing.end(), machine_line(part));
            // Nothing is lost in silence: what is no entry is told.
            if first == Line::Nothing {
                assert!(
                    part.trim_ascii().is_empty() || vms::is_name(part),
                    "{line}: {length}"
                );
            }
        }
    }
}
