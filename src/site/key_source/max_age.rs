//! How often Jitsi's plugins fetch a document again, by its `Cache-Control` as they read it.

/// When the plugins fetch again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// After this many seconds.
    Every(u64),
    /// After six hours: the header names no time.
    SixHours,
    /// Never: its value is not a number, which is an error in Lua.
    Error,
}

/// Reads the header the way the plugins do: of all alphanumeric `NAME=VALUE` pairs, the last one named `age` (`max-age`
/// is one), and a minute less if it is more than a minute.
pub fn refresh(header: Option<&str>) -> Refresh {
    let Some(value) = header.and_then(|header| pairs(header).filter(|(name, _)| *name == "age").last()) else {
        return Refresh::SixHours;
    };
    // Lua's numbers may be hexadecimal or have an exponent, but no server means those.
    match value.1.parse::<u64>() {
        Ok(seconds) if seconds > 60 => Refresh::Every(seconds - 60),
        Ok(seconds) => Refresh::Every(seconds),
        Err(_) => Refresh::Error,
    }
}

fn pairs(header: &str) -> impl Iterator<Item = (&str, &str)> {
    let word = |c: char| c.is_ascii_alphanumeric();
    header.match_indices('=').filter_map(move |(at, _)| {
        let (before, behind) = (&header[..at], &header[at + 1..]);
        let name = before.rsplit(|c| !word(c)).next().filter(|name| !name.is_empty())?;
        let value = behind.split(|c| !word(c)).next().filter(|value| !value.is_empty())?;
        Some((name, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_age_is_parsed_as_the_plugins_do() {
        for (header, comes) in [
            ("public, max-age=3600, must-revalidate", Refresh::Every(3540)),
            ("max-age=61", Refresh::Every(1)),
            ("max-age=60", Refresh::Every(60)),
            ("max-age=0", Refresh::Every(0)),
            ("no-cache", Refresh::SixHours),
            ("s-maxage=5", Refresh::SixHours),
            ("max-age=\"60\"", Refresh::SixHours),
            ("max-age = 60", Refresh::SixHours),
            ("max-age=1h", Refresh::Error),
            ("max-age=5, stale-age=700", Refresh::Every(640)),
        ] {
            assert_eq!(refresh(Some(header)), comes, "{header}");
        }
        assert_eq!(refresh(None), Refresh::SixHours);
    }
}
