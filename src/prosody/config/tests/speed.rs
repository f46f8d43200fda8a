//! The time and memory that one edit needs: 1 MiB with 5,000 virtual hosts, then twice, four and eight times that.

use std::fmt::Write;
use std::time::Instant;

use super::super::edit::Edit;
use super::{edit, load};

/// A file of `hosts` virtual hosts, the site among the last, padded to 1 MiB for each 5,000.
pub fn big(hosts: usize) -> String {
    let mut text = String::with_capacity(hosts * 220);
    text.push_str("plugin_paths = { \"/opt/plugins\" }\n");
    for number in 0..hosts {
        let name = if number + 3 == hosts { "meet.example.org".to_owned() } else { format!("h{number}.example.org") };
        let _ = write!(
            text,
            "VirtualHost \"{name}\"\n    authentication = \"anonymous\" -- {number:>20}\n    ssl = {{ key = \"/etc/prosody/certs/{name}.key\"; certificate = \"c\" }}\n    modules_enabled = {{ \"bosh\"; \"ping\" }}\n",
        );
    }
    text.push_str("Component \"conference.meet.example.org\" \"muc\"\n    modules_enabled = { \"polls\" }\n");
    text
}

#[test]
fn one_mebibyte_is_edited_in_two_places() {
    let text = big(5_000);
    assert!((1 << 20..5 << 18).contains(&text.len()), "{}", text.len());
    let Edit::Changed(files) = edit(&load(text.as_bytes()).unwrap()) else {
        panic!("nothing to edit");
    };
    let after = String::from_utf8(files[0].after.clone()).unwrap();
    let gone = text.replacen(
        "plugin_paths = { \"/opt/plugins\" }",
        "plugin_paths = { \"/opt/plugins\"; \"/usr/share/jitsi-meet/prosody-plugins/\" }",
        1,
    );
    let at = gone.find("\"meet.example.org\"").unwrap();
    let (head, tail) = gone.split_at(at);
    let tail = tail.replacen("authentication = \"anonymous\"", "authentication = \"token\" -- do not delete me", 1);
    let line = tail.find("\n    ssl").unwrap();
    let tail = [&tail[..line], "\n    app_id=\"my_app\"\n    app_secret=\"s3cret\"", &tail[line..]].concat();
    let tail = tail.replace("{ \"polls\" }", "{ \"polls\"; \"token_verification\" }");
    assert_eq!(after, format!("{head}{tail}"));
    assert_eq!(edit(&load(after.as_bytes()).unwrap()), Edit::Unchanged);
}

/// The peak memory of this process, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

mod thorough {
    use super::*;

    /// One edit with `EDIT_THOUSANDS` thousand hosts, for an instruction counter to watch.
    #[test]
    #[ignore = "scripts/bench edit runs it"]
    fn one_edit_to_count() {
        let thousands: usize = std::env::var("EDIT_THOUSANDS").unwrap().parse().unwrap();
        let edited = edit(&load(big(1000 * thousands).as_bytes()).unwrap());
        assert!(matches!(edited, Edit::Changed(_)));
    }

    /// `scripts/bench edit` runs it alone, in a release build, and judges its figures.
    #[test]
    #[ignore = "scripts/bench edit runs it"]
    fn speed_of_one_edit() {
        let mut first = None;
        for times in [1, 2, 4, 8] {
            let text = big(5_000 * times);
            let before = peak();
            let mut best = f64::INFINITY;
            for _ in 0..9 {
                let started = Instant::now();
                let edited = edit(&load(text.as_bytes()).unwrap());
                best = best.min(started.elapsed().as_secs_f64() * 1000.0);
                assert!(matches!(edited, Edit::Changed(_)));
            }
            let first = *first.get_or_insert(best);
            println!(
                "edit: {:.2} MiB, {} hosts: {best:.1} ms, ratio {:.2}, {:.1} MiB more at the peak",
                text.len() as f64 / 1_048_576.0,
                5_000 * times,
                best / first,
                (peak() - before) as f64 / 1024.0,
            );
        }
    }
}
