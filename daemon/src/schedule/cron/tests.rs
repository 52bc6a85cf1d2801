#[test]
fn smoke() {
    use super::*;
    for e in ["30 7 * * *", "*/5 9-17 * * mon-fri", "0 9 13 * 5", "0 0 L * *", "@hourly", "0 9 * * friL", "0 9 1 1 *"] {
        let s = Schedule::parse(e, chrono_tz::Europe::Paris, Dst::Vixie).unwrap();
        println!(
            "{e}: {} / {} / {:?}",
            s.describe(Language::En),
            s.describe(Language::Fr),
            s.next(Timestamp::parse("2026-11-22T00:00:00Z").unwrap()).map(|t| t.rfc3339(s.zone()))
        );
    }
    for e in [
        "7 30 * * *",
        "30 7 * *",
        "0 7 * mon *",
        "0 0 30 2 *",
        "0 22-5 * * *",
        "@reboot",
        "@dialy",
        "0 7 * * lun",
        "0 7 * * monday",
        "60 * * * *",
        "0 0 * * L",
        "0 7,,8 * * *",
        "0 7, * * *",
        "0 7 * * * /bin/x y",
    ] {
        let err = Schedule::parse(e, chrono_tz::Europe::Paris, Dst::Vixie).unwrap_err();
        println!("{e}: {:?} {err}", &e[err.span.clone()]);
    }
}
