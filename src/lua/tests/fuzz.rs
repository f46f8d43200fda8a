//! Millions of broken configurations. `scripts/fuzz COUNT` runs this in a release build; what it finds is kept as a
//! fixture.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

use super::super::config::Config;
use super::super::edit::Edit;
use super::{MAIN, edit, fixtures};
use crate::host::fake::FakeHost;
use crate::web_config::{self, name_guest_host};

/// xorshift64*: small, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end.max(1)
    }
}

/// What mutations put in.
const PIECES: [&str; 40] = [
    "VirtualHost \"meet.example.org\"\n",
    "Component \"conference.meet.example.org\" \"muc\"\n",
    "VirtualHost",
    "Component",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "[[",
    "]]",
    "--[[",
    "--",
    "--[==[",
    "]==]",
    "\"",
    "'",
    "\\",
    "\\z",
    "\\x4",
    "=",
    ",",
    ";",
    "\n",
    "\r",
    "\r\n",
    "\t",
    "authentication",
    "app_id = \"x\"",
    " --app_secret=\"example_app_secret\"\n",
    "modules_enabled = { \"token_verification\" }",
    "modules_disabled",
    "plugin_paths",
    "if x then ",
    " end ",
    "function f() ",
    "return",
    "local app_id = 'a'\n",
    "goto x",
];

fn mutated(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut text = seeds[dice.below(seeds.len())].clone();
    if dice.below(16) == 0 {
        text = (0..dice.below(120)).map(|_| dice.next() as u8).collect();
    }
    for _ in 0..=dice.below(6) {
        let at = dice.below(text.len() + 1);
        let until = (at + dice.below(24)).min(text.len());
        match dice.below(6) {
            0 if at < text.len() => text[at] = dice.next() as u8,
            1 => drop(text.drain(at..until)),
            2 => {
                let piece = PIECES[dice.below(PIECES.len())];
                text.splice(at..at, piece.bytes());
            }
            3 => {
                let again = text[at..until].to_vec();
                text.splice(at..at, again);
            }
            4 => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len() + 1);
                let to = (from + dice.below(80)).min(other.len());
                text.splice(at..until, other[from..to].iter().copied());
            }
            _ => text.truncate(until.max(1)),
        }
    }
    text
}

/// One execution: no panic, and a result that is Lua and needs no other edit.
fn try_configuration(text: &[u8]) -> bool {
    let load = |text: &[u8]| Config::load(&FakeHost::new().file(MAIN, text), Path::new(MAIN));
    let Ok(config) = load(text) else { return false };
    let Edit::Changed(files) = edit(&config) else {
        return false;
    };
    let again = load(&files[0].after).expect("the result is Lua");
    assert_eq!(edit(&again), Edit::Unchanged);
    true
}

fn try_page(text: &[u8]) -> bool {
    let web_config::Edit::Changed(after) = name_guest_host(text, "guest.m.org") else {
        return false;
    };
    assert_eq!(
        name_guest_host(&after, "guest.m.org"),
        web_config::Edit::Unchanged
    );
    true
}

/// Runs `count` executions; the first input that fails is the error.
fn run(count: usize, seed: u64) -> Result<usize, Vec<u8>> {
    let pages = [
        "var c = {\n hosts: {\n  domain: 'm',\n  // anonymousdomain: 'g',\n  muc: 'c.' + s + `m`\n },\n r: /a[/]b/ };\n",
    ];
    let pages: Vec<Vec<u8>> = pages.iter().map(|page| page.as_bytes().to_vec()).collect();
    let seeds: Vec<Vec<u8>> = fixtures(".in.lua")
        .iter()
        .map(|path| fs::read(path).unwrap())
        .collect();
    let mut dice = Dice(seed | 1);
    let mut edited = 0;
    for number in 0..count {
        let page = number % 10 == 9;
        let text = mutated(if page { &pages } else { &seeds }, &mut dice);
        let tried = if page { try_page } else { try_configuration };
        match catch_unwind(AssertUnwindSafe(|| tried(&text))) {
            Ok(changed) => edited += usize::from(changed),
            Err(_) => return Err(text),
        }
    }
    Ok(edited)
}

#[test]
fn some_thousand_broken_configurations_end_well() {
    let edited = run(4_000, 0x6a74_7331)
        .unwrap_or_else(|text| panic!("{:?}", String::from_utf8_lossy(&text)));
    assert!(edited > 100, "only {edited} were edited");
}

mod thorough {
    use super::*;

    #[test]
    #[ignore = "scripts/fuzz runs it; scripts/test --all a little of it"]
    fn fuzz() {
        let number = |name: &str, usual: usize| {
            let given = std::env::var(name).ok();
            given.map_or(usual, |text| text.parse().expect("a number"))
        };
        let (count, seed) = (number("FUZZ_COUNT", 50_000), number("FUZZ_SEED", 1) as u64);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let started = Instant::now();
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let seed = seed
                    .wrapping_mul(0x9e37_79b9)
                    .wrapping_add(thread as u64 * 7919);
                std::thread::spawn(move || run(count.div_ceil(threads), seed))
            })
            .collect();
        let mut edited = 0;
        for worker in workers {
            match worker.join().expect("it ends") {
                Ok(changed) => edited += changed,
                Err(text) => {
                    let path =
                        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz-found.in.lua");
                    fs::write(&path, &text).unwrap();
                    panic!("kept as {}", path.display());
                }
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        let done = count.div_ceil(threads) * threads;
        println!(
            "fuzz: {done} executions, {edited} of them edited, in {seconds:.0} s ({:.0} a second), nothing found",
            done as f64 / seconds
        );
    }
}
