//! A QR code made of block characters, for a phone to read off the terminal.

use anyhow::{Context, Result};
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// The width of a code, in columns.
pub fn columns(code: &str) -> usize {
    let letters = |line: &str| line.trim_start_matches("\x1b[30;107m").trim_end_matches("\x1b[0m").chars().count();
    code.lines().map(letters).max().unwrap_or_default()
}

/// `text` as a QR code. With colors it is black on white on any terminal; without, it is correct on a dark background
/// and inverted on a light one, which readers recognize too.
pub fn qr(text: &str, colors: bool) -> Result<String> {
    // The lowest error correction: a screen is not scratched, and the code stays as small as possible.
    let code = QrCode::with_error_correction_level(text, EcLevel::L)
        .ok()
        .context("the link is too long for a QR code; use fewer claims")?;
    let (dark, light) = if colors { (Dense1x2::Dark, Dense1x2::Light) } else { (Dense1x2::Light, Dense1x2::Dark) };
    let drawn = code.render::<Dense1x2>().dark_color(dark).light_color(light).build();
    Ok(drawn
        .lines()
        .map(|line| if colors { format!("\x1b[30;107m{line}\x1b[0m\n") } else { format!("{line}\n") })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::{columns, qr};

    #[test]
    fn a_qr_code_is_square_with_a_quiet_zone() {
        let plain = qr("https://meet.example.org/tea", false).unwrap();
        // Version 2 has 25 modules; four stay empty on each side, and a line holds two rows.
        assert_eq!(plain.lines().count(), 17);
        assert!(plain.lines().all(|line| line.chars().count() == 33));
        assert!(plain.starts_with("█████████████████████████████████\n"));
        let colored = qr("https://meet.example.org/tea", true).unwrap();
        assert!(colored.lines().all(|line| line.starts_with("\x1b[30;107m") && line.ends_with("\x1b[0m")));
        assert_eq!((columns(&plain), columns(&colored)), (33, 33));
    }

    #[test]
    fn text_too_long_for_a_qr_code_is_refused() {
        let error = qr(&"x".repeat(3000), false).unwrap_err().to_string();
        assert!(error.contains("too long for a QR code"), "{error}");
    }
}
