use std::io::Read;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::lanes::{Audience, Tally, run};
use super::read::{InputForm, RowSource};
use super::write::{OutputForm, RowForm};
use crate::host::secret::Secret;
use crate::token::options::{ClaimsFile, TokenOptions, draft};
use crate::token::{Algorithm, Issuer, Minter, Rules, SigningKey, inspect};

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn secret() -> Secret {
    Secret::unlisted("the-app-secret")
}

fn minter(options: &TokenOptions, link: bool) -> Minter {
    let issuer = Issuer {
        name: "app".to_owned(),
        audience: None,
        domain: "meet.example".to_owned(),
        key: SigningKey::shared(&secret(), Algorithm::Hs256),
        algorithm: Algorithm::Hs256,
        kid: None,
        rules: None,
    };
    Minter::new(draft(options, now()).unwrap(), issuer, link)
}

#[derive(Default)]
struct Heard {
    told: Vec<String>,
    last: Tally,
}

impl Audience for Heard {
    fn tell(&mut self, text: &str) {
        self.told.push(text.to_owned());
    }

    fn progress(&mut self, tally: Tally) {
        assert!(tally.position >= self.last.position);
        self.last = tally;
    }
}

struct Ran {
    out: String,
    told: Vec<String>,
    tally: Tally,
}

impl Ran {
    /// The claims of all plain tokens that were printed.
    fn claims(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|token| {
                let seen = inspect(token.as_bytes(), Some(&secret()), &Rules::default(), None, now());
                assert_eq!(seen.valid(), Some(true), "{seen:?}");
                Value::Object(seen.claims.unwrap())
            })
            .collect()
    }
}

fn reader(bytes: &[u8]) -> Box<dyn Read + Send> {
    Box::new(std::io::Cursor::new(bytes.to_vec()))
}

fn batch(options: &TokenOptions, input: &[u8], form: Option<OutputForm>, strict: bool) -> Result<Ran, String> {
    of_minter(&minter(options, false), input, form, strict)
}

fn of_minter(minter: &Minter, input: &[u8], form: Option<OutputForm>, strict: bool) -> Result<Ran, String> {
    let shown = |error: anyhow::Error| format!("{error:#}");
    let source = RowSource::open(reader(input), "rows", None).map_err(shown)?;
    source.check(minter, "rows").map_err(shown)?;
    let form = RowForm::new(form, &source, minter.links());
    let (mut out, mut heard) = (Vec::new(), Heard::default());
    let tally = run(source, minter, &form, strict, &mut out, &mut heard).map_err(shown)?;
    Ok(Ran { out: String::from_utf8(out).unwrap(), told: heard.told, tally })
}

fn plain(options: &TokenOptions, input: &str) -> Ran {
    batch(options, input.as_bytes(), Some(OutputForm::Plain), false).unwrap()
}

fn in_any_room() -> TokenOptions {
    TokenOptions { room: Some("*".to_owned()), ..TokenOptions::default() }
}

#[test]
fn a_row_makes_the_same_token_as_mint() {
    let rows = "room,id,name,email,avatar,moderator,group,features,expires_in,claim.n\n\
                Team A,7,\"Ada \"\"L\"\"\",a@b.c,https://x/y,yes,staff,recording flip=false,2h,\"[1]\"\n";
    let ran = plain(&TokenOptions::default(), rows);
    assert_eq!(
        ran.claims(),
        [json!({
            "aud": "jitsi", "iss": "app", "sub": "meet.example", "room": "team%20a",
            "iat": 1_800_000_000, "exp": 1_800_007_200,
            "context": {
                "user": {
                    "id": "7", "name": "Ada \"L\"", "email": "a@b.c", "avatar": "https://x/y",
                    "moderator": true, "affiliation": "owner",
                },
                "group": "staff",
                "features": {"recording": "true", "flip": "false"},
            },
            "n": [1],
        })]
    );
    assert!(ran.told[0].starts_with("warning: line 2: Jitsi changes the room name \"Team A\""));
    let json = r#"{"room": "Team A", "id": 7, "name": "Ada \"L\"", "email": "a@b.c", "avatar": "https:\/\/x/y",
        "moderator": true, "group": "staff", "features": {"recording": true, "flip": "false"}, "expires_in": "2h",
        "claims": {"n": [1]}}"#
        .replace('\n', " ");
    assert_eq!(plain(&TokenOptions::default(), &json).claims(), ran.claims());
}

#[test]
fn options_are_defaults_for_empty_fields() {
    let mut options = in_any_room();
    options.user.name = Some("Guest".to_owned());
    options.features = vec!["recording".to_owned()];
    options.claims = vec!["x=1".to_owned()];
    let ran = plain(&options, "name,room,features\n,,\nAda,tea,recording=false flip\n");
    let claims = ran.claims();
    assert_eq!((&claims[0]["room"], &claims[1]["room"]), (&json!("*"), &json!("tea")));
    assert_eq!(claims[0]["context"]["user"]["name"], "Guest");
    assert_eq!(claims[1]["context"]["user"]["name"], "Ada");
    assert_eq!(claims[0]["context"]["features"], json!({"recording": "true"}));
    assert_eq!(claims[1]["context"]["features"], json!({"recording": "false", "flip": "true"}));
    assert_eq!((&claims[0]["x"], &claims[1]["x"]), (&json!(1), &json!(1)));
}

#[test]
fn bad_rows_are_reported_and_skipped() {
    let rows = "room,name,expires_in,expires_at,moderator,affiliation,features\n\
                a,\"two\nlines\",,,,,\n\
                ,x,,,,,\n\
                b,x,2 fortnights,,,,\n\
                b,x,,2020-01-01,,,\n\
                b,x,1h,2030-01-01,,,\n\
                b,x,,,maybe,,\n\
                b,x,,,,king,\n\
                b,x,,,true,owner,\n\
                b,x,,,,,flip flip\n\
                b,x\n\
                ???,x,,,,,\n\
                c,x,,,,,\n";
    let ran = plain(&TokenOptions::default(), rows);
    let expected = [
        "line 4: no room",
        "line 5: expires_in: invalid duration \"2 fortnights\": use numbers with units, such as 90s, 30m, 1h30m or 7d",
        "line 6: expires_at: 2020-01-01 00:00:00 UTC is before the token becomes valid, at 2027-01-15 08:00:00 UTC",
        "line 7: the claim \"exp\" has two sources: expires_in and expires_at",
        "line 8: invalid \"moderator\" \"maybe\": use true or false",
        "line 9: invalid affiliation \"king\": use one of owner, moderator, teacher, admin, member, none, outcast",
        "line 10: the claim \"context.user.affiliation\" has two sources: moderator and affiliation",
        "line 11: the feature \"flip\" is given twice",
        "line 12: 2 values, but the header has 7 columns",
        "line 13: invalid room name \"???\": Jitsi drops all of its characters",
    ];
    assert_eq!(ran.told, expected);
    assert_eq!((ran.tally.made, ran.tally.refused), (2, 10));
    let rooms: Vec<Value> = ran.claims().iter().map(|claims| claims["room"].clone()).collect();
    assert_eq!(rooms, ["a", "c"]);
}

#[test]
fn strict_stops_at_the_first_bad_row() {
    let input = b"room\na\n\"\"\nb\n\"\"\n";
    let ran = batch(&TokenOptions::default(), input, None, true).unwrap();
    assert_eq!((ran.tally.made, ran.tally.refused), (1, 1));
    assert_eq!(ran.told, ["line 3: no room"]);
    assert_eq!(ran.out.lines().count(), 2, "{}", ran.out);
}

#[test]
fn json_errors_are_reported_with_line_and_column() {
    let long = format!("{{\"room\": \"{}\"}}", "x".repeat(1 << 20));
    let lines = [
        "{\"room\": \"a\"}",
        "",
        "{\"room\": }",
        "{\"room\": \"a\", \"room\": \"b\"}",
        "{\"room\": [1]}",
        "[]",
        "{\"room\": \"a\"} x",
        "{\"room\": \"a\", \"claims\": {\"exp\": 1}}",
        "{\"room\": \"a\", \"token\": \"\"}",
        "{\"room\": \"a\"",
        &long,
        "{\"room\": null}",
        "{\"room\": \"b\", \"phone\": 1, \"name\": null}",
    ]
    .join("\n");
    let ran = plain(&TokenOptions::default(), &lines);
    let expected = [
        "warning: unknown field \"phone\" is ignored",
        "line 3, column 10: invalid JSON: expected value",
        "line 4, column 20: invalid JSON: duplicate field `room`",
        "line 5, column 10: invalid JSON: invalid type: sequence, expected a text",
        "line 6, column 0: invalid JSON: invalid type: sequence, expected an object with the fields of a row",
        "line 7, column 15: invalid JSON: trailing characters",
        "line 8: rows cannot set the claim \"exp\" directly; use --claim, --claims or another field",
        "line 9: the row already has a field \"token\", which the output adds",
        "line 10, column 12: invalid JSON: EOF while parsing an object",
        "line 11: longer than 1 MiB",
        "line 12: no room",
    ];
    assert_eq!(ran.told, expected);
    assert_eq!(ran.claims().len(), 2);
}

#[test]
fn links_use_the_room_from_a_claim_option() {
    let options = TokenOptions { claims: vec!["room=tea".to_owned()], ..TokenOptions::default() };
    let ran = of_minter(&minter(&options, true), b"name\nAda\n", Some(OutputForm::Plain), false).unwrap();
    assert!(ran.out.starts_with("https://meet.example/tea?jwt="), "{}", ran.out);
}

#[test]
fn input_columns_are_kept_in_every_form() {
    let csv = "room;phone;name\ntea;\"1;2\";Ñ\n";
    let options = TokenOptions::default();
    let ran = |link, input: &str, form| of_minter(&minter(&options, link), input.as_bytes(), form, false).unwrap().out;
    let text = ran(true, csv, None);
    let (header, row) = text.split_once('\n').unwrap();
    assert_eq!(header, "room;phone;name;token;url");
    assert!(row.starts_with("tea;\"1;2\";Ñ;eyJ") && row.contains(";https://meet.example/tea?jwt=eyJ"));
    let line: Value = serde_json::from_str(&ran(false, csv, Some(OutputForm::JsonLines))).unwrap();
    let token = line["token"].clone();
    assert_eq!(line, json!({"room": "tea", "phone": "1;2", "name": "Ñ", "token": token}));
    let json = "{ \"room\": \"tea\", \"x\": {\"y\": 1} }\r\n";
    let line: Value = serde_json::from_str(&ran(false, json, None)).unwrap();
    assert_eq!(line["x"], json!({"y": 1}));
    assert!(ran(false, json, Some(OutputForm::Csv)).starts_with("room,id,name,email,token\ntea,,,,eyJ"));
}

#[test]
fn the_warning_about_a_field_says_what_becomes_of_it() {
    let input = b"{\"room\": \"tea\", \"x\": 1}";
    for (form, fate) in [
        (None, "is copied to the output, not into the token"),
        (Some(OutputForm::Csv), "is ignored"),
        (Some(OutputForm::Plain), "is ignored"),
    ] {
        let ran = batch(&TokenOptions::default(), input, form, false).unwrap();
        assert_eq!(ran.told, [format!("warning: unknown field \"x\" {fate}")]);
        assert_eq!(ran.out.contains("\"x\": 1"), form.is_none(), "{}", ran.out);
    }
}

#[test]
fn input_may_arrive_in_pieces() {
    /// Yields one of these at a time, as a pipe does.
    struct Pieces(Vec<&'static [u8]>);
    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let piece = if self.0.is_empty() { &b""[..] } else { self.0.remove(0) };
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }
    let minter = minter(&TokenOptions::default(), false);
    for pieces in [
        vec![&b"\n"[..], b"room;name\ntea;Ada\n"],
        vec![b"room", b";name\n", b"tea;A", b"da\n"],
        vec![b"\xef", b"\xbb\xbf\r\n", b"room;name\ntea;Ada"],
        vec![b"\n", b"{\"room\": \"tea\", \"name\"", b": \"Ada\"}"],
    ] {
        let source = RowSource::open(Box::new(Pieces(pieces.clone())), "rows", None).unwrap();
        source.check(&minter, "rows").unwrap();
        let form = RowForm::new(Some(OutputForm::Csv), &source, false);
        let (mut out, mut heard) = (Vec::new(), Heard::default());
        let tally = run(source, &minter, &form, false, &mut out, &mut heard).unwrap();
        assert_eq!((tally.made, heard.told.as_slice()), (1, &[][..]), "{pieces:?}");
    }
}

#[test]
fn nobody_becomes_moderator_against_the_row() {
    let mut options = in_any_room();
    options.user.moderator = Some(true);
    let claims = plain(&options, "affiliation,moderator\nmember,\n,false\n,\n").claims();
    let users: Vec<Value> = claims.iter().map(|claims| claims["context"]["user"].clone()).collect();
    assert_eq!(
        users,
        [
            json!({"affiliation": "member"}),
            json!({"moderator": false, "affiliation": "member"}),
            json!({"moderator": true, "affiliation": "owner"}),
        ]
    );
    for (claim, column) in [("affiliation", "moderator"), ("moderator", "affiliation"), ("moderator", "moderator")] {
        let claims = vec![format!("context={{\"user\": {{\"{claim}\": \"owner\"}}}}")];
        let options = TokenOptions { claims, ..in_any_room() };
        let error = batch(&options, format!("{column}\n").as_bytes(), None, false).err().unwrap_or_default();
        let sources = format!("\"context.user.{claim}\" has two sources: the rows' \"{column}\" and --claim");
        assert!(error.contains(&sources), "{error}");
    }
}

#[test]
fn unusable_input_is_refused() {
    let refused = |options: &TokenOptions, input: &[u8]| batch(options, input, None, false).err().unwrap_or_default();
    let plain = TokenOptions::default();
    for (input, words) in [
        (&b""[..], "rows is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfea\0", "UTF-16"),
        (b"n\xe4me,room\n", "is not valid UTF-8"),
        (b"tea,Ada\ntea,Bo\n", "names none of the columns (room, id,"),
        (b"name,id\nAda,1\n", "has no column \"room\""),
        (b"room,room\n", "two columns named \"room\""),
        (b"room,token\n", "already has a column \"token\""),
        (b"room,claim.exp\n", "cannot set the claim \"exp\""),
        (b"[\n{\"room\": \"a\"}]", "a JSON array"),
    ] {
        let error = refused(&plain, input);
        assert!(error.contains(words), "{input:?}: {error}");
    }
    let with_claims = TokenOptions {
        claims_file: Some(ClaimsFile {
            name: "f".to_owned(),
            bytes: br#"{"context": {"user": {"name": "Ada"}}}"#.to_vec(),
        }),
        ..in_any_room()
    };
    let error = refused(&with_claims, b"name\nBo\n");
    assert!(error.contains("\"context.user.name\" has two sources"), "{error}");
    let ran = batch(&with_claims, b"id\n7\n", Some(OutputForm::Plain), false).unwrap();
    assert_eq!(ran.claims()[0]["context"]["user"], json!({"id": "7", "name": "Ada"}));
}

#[test]
fn invalid_utf8_only_fails_its_own_row() {
    let ran = batch(&TokenOptions::default(), b"room,name\na,\xe4\nb,x\n", None, false).unwrap();
    assert_eq!(ran.told, ["line 2: \"name\" is not valid UTF-8"]);
    let input = b"{\"room\": \"a\", \"name\": \"\xe4\"}\n{\"room\": \"b\"}\n";
    let ran = batch(&TokenOptions::default(), input, None, false).unwrap();
    assert!(ran.told[0].starts_with("line 1, column "), "{:?}", ran.told);
    assert_eq!(ran.tally.made, 1);
}

#[test]
fn many_rows_stay_in_order_and_warnings_are_capped() {
    let rows: String = (0..5000).map(|n| format!("Room{n}\n")).collect();
    let ran = batch(&TokenOptions::default(), format!("\u{feff}room\n{rows}").as_bytes(), None, false).unwrap();
    for (n, line) in ran.out.lines().skip(1).enumerate() {
        assert!(line.starts_with(&format!("Room{n},eyJ")), "{line}");
    }
    assert_eq!((ran.tally.made, ran.tally.odd), (5000, 5000));
    assert_eq!(ran.told.len(), 11);
    assert_eq!(ran.told[10], "warning: 4990 more rows like these");
}

#[test]
fn a_closed_pipe_ends_the_batch() {
    struct Gone;
    impl std::io::Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    }
    // Endless rows.
    struct Rows;
    impl Read for Rows {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let line = b"room\n";
            let count = buffer.len() / line.len() * line.len();
            buffer[..count].copy_from_slice(&line.repeat(count / line.len()));
            Ok(count)
        }
    }
    let minter = minter(&TokenOptions::default(), false);
    let source = RowSource::open(Box::new(Rows), "rows", Some(InputForm::Csv)).unwrap();
    let form = RowForm::new(None, &source, false);
    run(source, &minter, &form, false, &mut Gone, &mut Heard::default()).unwrap();
}

/// Yields a beginning, then the same bytes forever.
struct Endless(&'static [u8], &'static [u8]);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.0.is_empty() {
            self.0 = self.1;
        }
        let count = buffer.len().min(self.0.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// The error that ends a batch of these rows.
fn ended_by(rows: Endless) -> String {
    let shown = |error: anyhow::Error| format!("{error:#}");
    let made = || -> Result<(), String> {
        let source = RowSource::open(Box::new(rows), "rows.x", None).map_err(shown)?;
        let minter = minter(&in_any_room(), false);
        let form = RowForm::new(Some(OutputForm::Plain), &source, false);
        let (mut out, mut heard) = (Vec::new(), Heard::default());
        run(source, &minter, &form, false, &mut out, &mut heard).map_err(shown)?;
        Ok(())
    };
    made().expect_err("it cannot end well")
}

#[test]
fn an_overlong_row_ends_the_batch_with_its_line() {
    let long = "this record is longer than 1 MiB; is a closing quote missing?";
    for (rows, expected) in [
        (Endless(b"name\nAda\n", b"x"), format!("cannot read the rows: rows.x, line 3: {long}")),
        (Endless(b"name\nAda\n\"", b"over\nmany,\"\"lines\n"), format!("cannot read the rows: rows.x, line 3: {long}")),
        (Endless(b"name\nAda\n", b","), format!("cannot read the rows: rows.x, line 3: {long}")),
        (Endless(b"", b"\0"), "rows.x: line 1 is longer than 1 MiB; is this a CSV file?".to_owned()),
        (
            Endless(b"{\"name\": \"Ada\"}\n{", b" "),
            "cannot read the rows: rows.x, line 2: longer than 64 MiB; is this the right file?".to_owned(),
        ),
    ] {
        assert_eq!(ended_by(rows), expected);
    }
}

#[test]
fn a_record_of_exactly_the_limit_is_accepted() {
    let longest = "x".repeat((1 << 20) - 3);
    // With `A,` and the line break, the record has 1 MiB; one byte more is too many.
    let rows = format!("name,other\nA,{longest}\nB,1\n");
    assert_eq!(plain(&in_any_room(), &rows).claims().len(), 2);
    let rows = format!("name,other\nA,{longest}x\nB,1\n");
    let error = batch(&in_any_room(), rows.as_bytes(), None, false).err().expect("an error");
    assert!(error.contains("rows, line 2: this record"), "{error}");
}
