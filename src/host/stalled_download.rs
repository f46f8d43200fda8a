//! Detects that a download of apt's has stalled. apt waits for each file in turn, so a silent server would cost minutes
//! for every package; dpkg's own work is not watched.

use std::time::{Duration, Instant};

/// Longer than apt takes to give up on a file after requesting it twice.
const LIMIT: Duration = Duration::from_secs(90);

/// How far a download has come, and since when.
#[derive(Default)]
pub struct Stall {
    at: Option<(f32, Instant)>,
    doing: String,
}

impl Stall {
    /// Processes one line of `APT::Status-Fd`.
    pub fn hear(&mut self, line: &str, now: Instant) {
        let mut fields = line.trim_end().splitn(4, ':');
        let download = fields.next() == Some("dlstatus");
        let percent = fields.nth(1).and_then(|percent| percent.parse().ok());
        let Some(percent) = percent.filter(|percent| download && *percent < 100.0) else {
            self.at = None;
            return;
        };
        self.doing = fields.next().unwrap_or_default().to_owned();
        // A new download begins at 0 again.
        if self.at.is_none_or(|(before, _)| before != percent) {
            self.at = Some((percent, now));
        }
    }

    /// The message if nothing was received for too long, returned once. `printed` returns what apt has printed.
    pub fn over(&mut self, printed: impl FnOnce() -> String, now: Instant) -> Option<String> {
        let (_, since) = self.at?;
        if now.duration_since(since) < LIMIT {
            return None;
        }
        self.at = None;
        let source = |line: &&str| ["Ign:", "Err:", "Get:"].iter().any(|word| line.starts_with(word));
        let printed = printed();
        let last = printed.lines().rev().find(source).unwrap_or_default();
        Some(format!("E: nothing was received for {} s ({}; {last})\n", LIMIT.as_secs(), self.doing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "dlstatus:1:0.0000:Retrieving file 1 of 41\n";

    #[test]
    fn stalled_downloads_are_reported_with_their_source() {
        let (mut stall, start) = (Stall::default(), Instant::now());
        stall.hear(FIRST, start);
        stall.hear(FIRST, start + LIMIT / 2);
        assert_eq!(stall.over(String::new, start + LIMIT / 2), None);
        let said = stall.over(|| "Ign:1 http://a.example/debian x\nReading\n".to_owned(), start + LIMIT);
        let said = said.expect("it is over");
        assert!(said.contains("a.example") && said.contains("file 1 of 41"), "{said}");
        assert_eq!(stall.over(String::new, start + LIMIT * 2), None);
    }

    #[test]
    fn slow_downloads_and_dpkg_do_not_count_as_stalled() {
        let (mut stall, start) = (Stall::default(), Instant::now());
        stall.hear(FIRST, start);
        stall.hear("dlstatus:1:0.0100:Retrieving file 1 of 41\n", start + LIMIT / 2);
        assert_eq!(stall.over(String::new, start + LIMIT), None);
        stall.hear("pmstatus:dpkg-exec:0.0000:Running dpkg\n", start + LIMIT);
        assert_eq!(stall.over(String::new, start + LIMIT * 9), None);
        stall.hear("dlstatus:41:100.0000:Retrieving file 41 of 41\n", start);
        assert_eq!(stall.over(String::new, start + LIMIT * 9), None);
    }
}
