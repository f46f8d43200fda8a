//! What the fuzzers share: dice, mutations, and a run of a given length. `scripts/fuzz` makes the long runs.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

/// xorshift64*: small, and the same on every machine.
pub struct Dice(u64);

impl Dice {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end.max(1)
    }
}

/// One of the seeds, or now and then bytes from nowhere, changed in a few places; `pieces` are what mutations put in.
pub fn mutated(seeds: &[Vec<u8>], pieces: &[&str], dice: &mut Dice) -> Vec<u8> {
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
                let piece = pieces[dice.below(pieces.len())];
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

/// A fuzzer: what it makes, and what is done with it.
pub struct Fuzzer<'a> {
    /// What it is called in files and messages.
    pub name: &'a str,
    /// Makes one input.
    pub make: &'a (dyn Fn(&mut Dice) -> Vec<u8> + Sync),
    /// Tries it, and panics if something is wrong; whether it got beyond the first refusal.
    pub try_it: &'a (dyn Fn(&[u8]) -> bool + Sync),
}

impl Fuzzer<'_> {
    /// Makes `count` executions; how many got beyond the first refusal, or the first input that fails.
    pub fn run(&self, count: usize, seed: u64) -> Result<usize, Vec<u8>> {
        let mut dice = Dice(seed | 1);
        let mut beyond = 0;
        for _ in 0..count {
            let input = (self.make)(&mut dice);
            match catch_unwind(AssertUnwindSafe(|| (self.try_it)(&input))) {
                Ok(got_beyond) => beyond += usize::from(got_beyond),
                Err(_) => return Err(input),
            }
        }
        Ok(beyond)
    }

    /// A short run for every test of the program: at least `least` of some thousand must get beyond the first refusal.
    #[track_caller]
    pub fn some_thousand(&self, least: usize) {
        let beyond = self.run(4_000, 0x6a74_7331);
        let beyond = beyond.unwrap_or_else(|input| panic!("{:?}", String::from_utf8_lossy(&input)));
        assert!(beyond > least, "only {beyond} were taken");
    }

    /// A run on all cores: `FUZZ_COUNT` executions beginning with `FUZZ_SEED`. What is found is kept.
    pub fn long_run(&self) {
        let number = |name: &str, usual: usize| {
            let given = std::env::var(name).ok();
            given.map_or(usual, |text| text.parse().expect("a number"))
        };
        let (count, seed) = (number("FUZZ_COUNT", 50_000), number("FUZZ_SEED", 1) as u64);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let each = count.div_ceil(threads);
        let started = Instant::now();
        let beyond: usize = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads as u64)
                .map(|thread| {
                    let seed = seed.wrapping_mul(0x9e37_79b9).wrapping_add(thread * 7919);
                    scope.spawn(move || self.run(each, seed))
                })
                .collect();
            workers.into_iter().map(|worker| self.kept(worker.join().expect("it ends"))).sum()
        });
        let seconds = started.elapsed().as_secs_f64();
        let done = each * threads;
        println!(
            "fuzz: {}: {done} executions, {beyond} of them beyond the first refusal, in {seconds:.0} s ({:.0} a second), \
             nothing found",
            self.name,
            done as f64 / seconds
        );
    }

    fn kept(&self, result: Result<usize, Vec<u8>>) -> usize {
        result.unwrap_or_else(|input| {
            let name = format!("target/fuzz-found.{}", self.name);
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            fs::write(&path, &input).expect("a file");
            panic!("kept as {}", path.display());
        })
    }
}
