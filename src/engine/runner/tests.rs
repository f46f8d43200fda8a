//! The loop over a few steps that each want a file of their own, and one whose check the test chooses.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::engine::change::{Action, Wrapper};
use crate::engine::report::ChangeReport;
use crate::engine::snapshot::hash;
use crate::engine::watch::{File, Watch};
use crate::host::command::{Brings, Command};
use crate::host::fake::{FakeHost, output};
use crate::host::overlay::Overlay;
use crate::host::secret::Secret;
use crate::host::{Access, Host, Output};

/// The check of the middle step, given how many times it has been called.
type Says = fn(&dyn Host, usize) -> Result<Check>;

struct View {
    says: Says,
    asked: Cell<usize>,
    proof: Verdict,
}

fn view(says: Says) -> View {
    View { says, asked: Cell::new(0), proof: Verdict::Full }
}

fn written(path: &str, text: &str) -> Change {
    Change::write(path, text, Access::root(0o644))
}

fn wants(host: &dyn Host, path: &str) -> Result<Check> {
    match host.read_text(Path::new(path))?.as_deref() {
        Some("ours") => Check::satisfied("as it should be"),
        _ => Check::pending(format!("{path} is to be ours"), [written(path, "ours")]),
    }
}

fn middle(cx: &Context<View>) -> Result<Check> {
    cx.asked.set(cx.asked.get() + 1);
    (cx.says)(cx.host, cx.asked.get())
}

fn proof(cx: &Context<View>) -> Result<Check> {
    Ok(Check::Proved(Proof::without_logins(cx.proof, "as the logins say")))
}

const STEPS: [Step<View>; 5] = [
    Step { id: "first", title: "First", check: |cx| wants(cx.host, "/etc/first"), part: Part::Machine },
    Step { id: "middle", title: "Middle", check: middle, part: Part::Machine },
    Step { id: "last", title: "Last", check: |cx| wants(cx.host, "/etc/last"), part: Part::Machine },
    Step { id: "daemon", title: "Daemon", check: |cx| wants(cx.host, "/etc/daemon"), part: Part::Daemon },
    Step { id: "proof", title: "Proof", check: proof, part: Part::Proof },
];

fn nothing(_: &dyn Host, _: usize) -> Result<Check> {
    Check::satisfied("nothing")
}

/// Writes down each event, one per line.
#[derive(Default)]
struct Notes(RefCell<Vec<String>>);

impl Observer for Notes {
    fn begin(&self, id: &str, title: &str, (at, of): (usize, usize)) {
        self.0.borrow_mut().push(format!("{at}/{of} {id}: {title}"));
    }

    fn change(&self, step: &str, change: &ChangeReport) {
        self.0.borrow_mut().push(format!("{step}: {change}"));
    }

    fn end(&self, end: End<'_>) {
        self.0.borrow_mut().push(match end {
            End::Report(report) => format!("{} {:?}", report.id, report.state),
            End::Again(report) => format!("{} {:?}, again", report.id, report.state),
            End::Interrupted => "-".to_owned(),
        });
    }

    fn difference(&self, _: &Path, before: &[u8], after: &[u8]) -> String {
        format!("{} to {} bytes", before.len(), after.len())
    }
}

fn apply(host: &dyn Host, view: &View) -> Outcome {
    Runner::new(&STEPS, &Context::new(host, view), &Notes::default()).apply().unwrap()
}

fn only(host: &dyn Host, view: &View, step: &str) -> Outcome {
    Runner::new(&STEPS, &Context::new(host, view), &Notes::default()).only(Some(step)).apply().unwrap()
}

/// ID, state and number of changes of each step.
fn states(outcome: &Outcome) -> Vec<(&str, State, usize)> {
    outcome.steps.iter().map(|step| (step.id, step.state, step.changes.len())).collect()
}

fn why<'a>(outcome: &'a Outcome, id: &str) -> &'a str {
    &outcome.steps.iter().find(|step| step.id == id).unwrap().why
}

fn fix<'a>(outcome: &'a Outcome, id: &str) -> Option<&'a str> {
    outcome.steps.iter().find(|step| step.id == id).unwrap().fix.as_deref()
}

/// A machine on which the other steps are satisfied.
fn done() -> FakeHost {
    FakeHost::new().file("/etc/first", "ours").file("/etc/last", "ours").file("/etc/daemon", "ours")
}

/// The outcome of a run with this check in the middle step.
fn with(says: Says) -> Outcome {
    apply(&done(), &view(says))
}

fn text(host: &dyn Host, path: &str) -> Option<String> {
    host.read_text(Path::new(path)).unwrap()
}

use State::{Blocked, Done, Failed, Pending, Proved, Refused, Satisfied, Skipped};

#[test]
fn pending_changes_are_recorded_made_and_proved() {
    let host = FakeHost::new().file("/etc/last", "theirs");
    let mut receipt = Receipt::load(&host, &[&File]).unwrap();
    let (view, notes) = (view(nothing), Notes::default());
    let cx = Context::new(&host, &view);
    let outcome = Runner::new(&STEPS, &cx, &notes).recorded(&mut receipt).apply().unwrap();
    let expected =
        [("first", Done, 1), ("middle", Satisfied, 0), ("last", Done, 1), ("daemon", Done, 1), ("proof", Proved, 0)];
    assert_eq!(states(&outcome), expected);
    assert!(outcome.steps.iter().all(|step| step.seconds.is_some_and(|seconds| (0.0..60.0).contains(&seconds))));
    assert_eq!(why(&outcome, "first"), "as it should be");
    assert_eq!(outcome.steps[2].changes[0].diff.as_deref(), Some("6 to 4 bytes"));
    assert_eq!(text(&host, "/etc/last").unwrap(), "ours");
    assert_eq!(outcome.proof.unwrap().verdict, Verdict::Full);
    let recorded: Vec<_> = receipt.entries().iter().map(|entry| (entry.step.as_str(), entry.of.as_str())).collect();
    assert_eq!(recorded, [("first", "file:/etc/first"), ("last", "file:/etc/last"), ("daemon", "file:/etc/daemon")]);
    // The second round finds nothing to do, so each step only ends again.
    let shown = notes.0.borrow().join("\n");
    let expected = "1/5 first: First\nfirst: write /etc/first (mode 0644)\nfirst Done\n\
                    2/5 middle: Middle\nmiddle Satisfied\n\
                    3/5 last: Last\nlast: write /etc/last (mode 0644)\nlast Done\n\
                    4/5 daemon: Daemon\ndaemon: write /etc/daemon (mode 0644)\ndaemon Done\n\
                    1/5 first: First\nfirst Done, again\n2/5 middle: Middle\nmiddle Satisfied, again\n\
                    3/5 last: Last\nlast Done, again\n4/5 daemon: Daemon\ndaemon Done, again\n\
                    5/5 proof: Proof\n";
    assert!(shown.starts_with(expected), "{shown}");
}

#[test]
fn the_time_of_a_step_includes_all_rounds() {
    let view = view(|host, asked| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        nothing(host, asked)
    });
    let began = Instant::now();
    let outcome = apply(&FakeHost::new(), &view);
    let seconds = outcome.steps[1].seconds.unwrap();
    // Two rounds, and half a millisecond of rounding.
    assert!((0.04..=began.elapsed().as_secs_f64() + 0.0005).contains(&seconds), "{seconds}");
}

#[test]
fn a_survey_makes_logins_but_no_changes() {
    let host = FakeHost::new();
    let view = View { proof: Verdict::Refused, ..view(nothing) };
    let cx = Context::new(&host, &view);
    let outcome = Runner::new(&STEPS, &cx, &Notes::default()).survey().unwrap();
    let expected = [
        ("first", Pending, 1),
        ("middle", Satisfied, 0),
        ("last", Pending, 1),
        ("daemon", Pending, 1),
        ("proof", Refused, 0),
    ];
    assert_eq!(states(&outcome), expected);
    assert!(outcome.steps.iter().all(|step| step.seconds.is_none()));
    assert_eq!((why(&outcome, "proof"), text(&host, "/etc/first")), ("as the logins say", None));
    // Logins are made by themselves too, whatever became of the steps before.
    let mut blocked = with(|_, _| Check::blocked("no", "do it"));
    blocked.add(Runner::new(&STEPS[4..], &cx, &Notes::default()).survey().unwrap());
    assert_eq!(states(&blocked), [("first", Satisfied, 0), ("middle", Blocked, 0), ("proof", Refused, 0)]);
    assert_eq!(blocked.proof.map(|proof| proof.verdict), Some(Verdict::Refused));
}

#[test]
fn a_blocked_or_failed_step_ends_the_run() {
    for (says, state, part) in [
        ((|_, _| Check::blocked("no", "do it")) as Says, Blocked, None),
        (|_, _| anyhow::bail!("cannot tell"), Failed, Some(Part::Machine)),
    ] {
        let (host, view) = (FakeHost::new(), view(says));
        let applied = apply(&host, &view);
        assert_eq!(states(&applied), [("first", Done, 1), ("middle", state, 0)]);
        assert_eq!((applied.failed, text(&host, "/etc/last")), (part, None));
        let surveyed = Runner::new(&STEPS, &Context::new(&host, &view), &Notes::default()).survey().unwrap();
        assert_eq!(states(&surveyed), [("first", Satisfied, 0), ("middle", state, 0)]);
    }
    let blocked = with(|_, _| Check::blocked("no", "do it"));
    assert_eq!((why(&blocked, "middle"), fix(&blocked, "middle")), ("no", Some("do it")));
    assert_eq!(why(&with(|_, _| anyhow::bail!("cannot tell")), "middle"), "cannot tell");
}

#[test]
fn an_interruption_is_not_a_failed_step() {
    let (host, view, notes) = (done(), view(|_, _| Err(Interrupted.into())), Notes::default());
    let ended = Runner::new(&STEPS, &Context::new(&host, &view), &notes).apply();
    assert!(ended.unwrap_err().is::<Interrupted>());
    assert_eq!(notes.0.borrow().last().unwrap(), "-");
}

#[test]
fn a_preview_lists_changes_without_making_them() {
    let below = FakeHost::new();
    let (host, view) = (Overlay::new(&below), view(nothing));
    let outcome = apply(&host, &view);
    let expected = [
        ("first", Pending, 1),
        ("middle", Satisfied, 0),
        ("last", Pending, 1),
        ("daemon", Pending, 1),
        ("proof", Skipped, 0),
    ];
    assert_eq!(states(&outcome), expected);
    assert_eq!(why(&outcome, "first"), "/etc/first is to be ours");
    assert_eq!(why(&outcome, "proof"), "test logins follow the changes");
    assert!(outcome.steps.iter().all(|step| step.seconds.is_none()) && outcome.proof.is_none());
    // One round is enough where nothing is changed.
    assert_eq!((view.asked.get(), text(&below, "/etc/first")), (1, None));
}

#[test]
fn a_selected_step_needs_the_earlier_ones() {
    let pending = view(|host, _| wants(host, "/etc/middle"));
    let host = FakeHost::new().file("/etc/first", "ours");
    let outcome = only(&host, &pending, "middle");
    let expected = [
        ("first", Satisfied, 0),
        ("middle", Done, 1),
        ("last", Skipped, 0),
        ("daemon", Done, 1),
        // The daemon has loaded the change, so the logins are made, whatever was left out.
        ("proof", Proved, 0),
    ];
    assert_eq!(states(&outcome), expected);
    assert_eq!(why(&outcome, "last"), "not selected (--only): /etc/last is to be ours");
    assert_eq!(text(&host, "/etc/last"), None);

    // Without a restart, nothing was loaded that could be proved.
    let host = FakeHost::new().file("/etc/first", "ours").file("/etc/daemon", "ours");
    let outcome = only(&host, &view(nothing), "middle");
    assert_eq!(states(&outcome)[2..], [("last", Skipped, 0), ("daemon", Satisfied, 0), ("proof", Skipped, 0)]);

    let outcome = only(&FakeHost::new(), &pending, "middle");
    assert_eq!(states(&outcome), [("first", Blocked, 0)]);
    assert_eq!(why(&outcome, "first"), "this step is needed first: /etc/first is to be ours");
    assert_eq!(fix(&outcome, "first"), Some("run `install` without --only"));
}

#[test]
fn a_skipped_restart_skips_the_proof() {
    const LATER: [Step<View>; 3] = [
        Step { id: "middle", title: "Middle", check: middle, part: Part::Machine },
        Step { id: "daemon", title: "Daemon", check: |_| Check::skipped("later"), part: Part::Daemon },
        Step { id: "proof", title: "Proof", check: proof, part: Part::Proof },
    ];
    let (host, view) = (FakeHost::new(), view(nothing));
    let outcome = Runner::new(&LATER, &Context::new(&host, &view), &Notes::default()).apply().unwrap();
    assert_eq!(states(&outcome), [("middle", Satisfied, 0), ("daemon", Skipped, 0), ("proof", Skipped, 0)]);
    // Another skipped step does not prevent the proof.
    let skipped = with(|_, _| Check::skipped("not here"));
    assert_eq!(states(&skipped)[1..2], [("middle", Skipped, 0)]);
    assert_eq!(states(&skipped)[4..], [("proof", Proved, 0)]);
}

#[test]
fn the_next_round_repairs_undone_steps() {
    let (host, notes) = (FakeHost::new(), Notes::default());
    // Like a package's script that puts its own file there, once.
    let view = view(|host, asked| match asked {
        1 => Check::pending("the package", [written("/etc/first", "its script's"), written("/etc/package", "")]),
        _ => {
            assert!(host.exists(Path::new("/etc/package"))?);
            Check::satisfied("the package is there")
        }
    });
    let outcome = Runner::new(&STEPS, &Context::new(&host, &view), &notes).apply().unwrap();
    let expected =
        [("first", Done, 2), ("middle", Done, 2), ("last", Done, 1), ("daemon", Done, 1), ("proof", Proved, 0)];
    assert_eq!(states(&outcome), expected);
    assert_eq!((text(&host, "/etc/first").unwrap(), outcome.warnings.len()), ("ours".to_owned(), 0));
    // Later rounds are shown only where they do something.
    let ends: Vec<String> = notes.0.borrow().iter().filter(|line| line.ends_with("Done")).cloned().collect();
    assert_eq!(ends, ["first Done", "middle Done", "last Done", "daemon Done", "first Done"]);
}

#[test]
fn steps_that_keep_undoing_each_other_end_with_a_warning() {
    let view = view(|host, _| match text(host, "/etc/first").as_deref() {
        Some("ours") => Check::pending("mine", [written("/etc/first", "mine")]),
        _ => Check::satisfied("mine"),
    });
    let outcome = apply(&FakeHost::new(), &view);
    assert_eq!(outcome.warnings, ["the steps keep undoing each other; see the log"]);
    assert_eq!(states(&outcome)[..2], [("first", Done, 3), ("middle", Done, 3)]);
}

#[test]
fn a_step_still_pending_after_its_changes_fails() {
    for says in [(|_, _| Check::pending("more", [written("/etc/x", "")])) as Says, |_, asked| match asked {
        1 => Check::pending("more", []),
        _ => Check::blocked("more", "do it"),
    }] {
        let outcome = with(says);
        assert_eq!((outcome.failed, outcome.steps[1].state), (Some(Part::Machine), Failed));
        assert_eq!(why(&outcome, "middle"), "still not satisfied after its changes: more");
    }
    let skipped = with(|_, asked| match asked {
        1 => Check::pending("more", [written("/etc/x", "")]),
        _ => Check::skipped("not needed any more"),
    });
    assert_eq!((why(&skipped, "middle"), skipped.steps[1].state), ("not needed any more", Skipped));
}

#[test]
fn a_preview_reports_insufficient_changes() {
    let below = done();
    let more: Says = |_, _| Check::pending("more", [written("/etc/x", "")]);
    let outcome = apply(&Overlay::new(&below), &view(more));
    assert_eq!(states(&outcome), [("first", Satisfied, 0), ("middle", Blocked, 1)]);
    assert_eq!(why(&outcome, "middle"), "the planned changes are not enough: more");
    assert_eq!(fix(&outcome, "middle"), Some("make this change by hand, and please report this as a bug"));
    // What a command will do is not known before it runs.
    let commands: Says =
        |_, _| Check::pending("more", [written("/etc/x", ""), Change::run(Command::mutate("make"), [])]);
    assert_eq!(apply(&Overlay::new(&below), &view(commands)).steps[1].state, Pending);
}

#[test]
fn unwritable_files_block_previews_and_fail_runs() {
    let says: Says = |_, _| {
        let (why, fix) = ("is on a read-only file system".to_owned(), "mount it anew".to_owned());
        Err(Unwritable { path: "/etc/x".into(), why, fix, shared: false }.into())
    };
    let below = done();
    let previewed = apply(&Overlay::new(&below), &view(says));
    assert_eq!(states(&previewed)[1..], [("middle", Blocked, 0)]);
    assert_eq!(why(&previewed, "middle"), "/etc/x is on a read-only file system");
    assert_eq!((fix(&previewed, "middle"), previewed.failed), (Some("mount it anew"), None));
    assert_eq!(states(&with(says))[1..], [("middle", Failed, 0)]);
}

/// The middle step puts `OURS` in front of whatever else is in a file.
fn add_ours(host: &dyn Host, _: usize) -> Result<Check> {
    let now = text(host, "/etc/x").unwrap_or_default();
    if now.starts_with("OURS") {
        return Check::satisfied("there");
    }
    let seen = Some(now.clone().into_bytes());
    Check::pending("to be there", [written("/etc/x", &format!("OURS\n{now}")).in_place_of(seen)])
}

#[test]
fn conflicting_changes_are_replanned_a_few_times() {
    let meddled = |attempts: usize| {
        let host = done()
            .file("/etc/x", "0\n")
            .meddled(move |attempt, _| (attempt <= attempts).then(|| format!("{attempt}\n").into_bytes()));
        let mut receipt = Receipt::load(&host, &[&File]).unwrap();
        let view = view(add_ours);
        let cx = Context::new(&host, &view);
        let outcome = Runner::new(&STEPS, &cx, &Notes::default()).recorded(&mut receipt).apply().unwrap();
        let recorded: Vec<String> = receipt.entries().iter().map(|entry| entry.of.clone()).collect();
        (text(&host, "/etc/x").unwrap(), outcome, recorded)
    };
    let (now, outcome, recorded) = meddled(PLANS - 1);
    assert_eq!((now.as_str(), &recorded[..]), ("OURS\n4\n", &["file:/etc/x".to_owned()][..]));
    assert_eq!(states(&outcome)[1..2], [("middle", Done, 1)]);
    let (now, outcome, recorded) = meddled(PLANS);
    assert_eq!((now.as_str(), recorded.len(), outcome.failed), ("5\n", 0, Some(Part::Machine)));
    let said = "another program changed /etc/x at the same time (attempt 5); stop that program, then run this again";
    assert_eq!(why(&outcome, "middle"), said);
}

/// Fails because somebody changed its file; holds the path where that version was saved, if it was.
#[derive(Debug)]
struct Meddled(Option<PathBuf>);

impl Action for Meddled {
    fn command(&self) -> Option<Command> {
        None
    }

    fn make(&self, _: &dyn Host) -> Result<Vec<String>> {
        Err(ChangedMeanwhile { path: "/etc/x".into(), kept: self.0.clone() }.into())
    }
}

#[test]
fn replanning_may_find_a_step_satisfied_or_blocked() {
    fn meddled(kept: Option<PathBuf>) -> Result<Check> {
        Check::pending("to be changed", [Change::Act(Arc::new(Meddled(kept)))])
    }
    let satisfied = with(|_, asked| if asked == 1 { meddled(None) } else { Check::satisfied("they did it") });
    assert_eq!(states(&satisfied)[1..2], [("middle", Done, 0)]);
    let blocked = with(|_, asked| if asked == 1 { meddled(None) } else { Check::blocked("it is in the way", "fix") });
    assert_eq!(why(&blocked, "middle"), "another program changed /etc/x at the same time; now it is in the way");
    // A version that had to be saved elsewhere needs a person's attention before anything else happens.
    let kept = with(|_, _| meddled(Some("/etc/x.theirs".into())));
    assert_eq!(
        why(&kept, "middle"),
        "another program changed /etc/x at the same time; its version is saved as /etc/x.theirs (attempt 1); \
         stop that program, then run this again"
    );
}

/// The middle step wants a file, and first tries to get it with a command.
fn fallback(then: fn(&dyn Host) -> Result<Check>, host: &dyn Host, asked: usize) -> Result<Check> {
    if text(host, "/etc/x").is_some() {
        return Check::satisfied("there");
    }
    if asked > 1 {
        return then(host);
    }
    let first = Box::new(Change::run(Command::mutate("fetch"), []));
    let (otherwise, note) = (vec![written("/etc/x", "")], "made by hand".to_owned());
    Check::pending("not there", [Change::Fallback { first, otherwise, note }])
}

#[test]
fn the_fallback_runs_if_the_first_change_fails() {
    let more: Says = |host, asked| fallback(|_| Check::pending("still not there", []), host, asked);
    for (code, says, note) in [
        (7, more, Some("made by hand (`fetch` exited with code 7)")),
        (0, more, Some("made by hand (still not there)")),
        (
            0,
            |host, asked| fallback(|_| Check::blocked("in the way", "fix"), host, asked),
            Some("made by hand (in the way)"),
        ),
        (0, |host, asked| fallback(|_| anyhow::bail!("cannot tell"), host, asked), Some("made by hand (cannot tell)")),
        (0, |host, asked| fallback(|_| Check::satisfied("good as it is"), host, asked), None),
    ] {
        let host = done().answers(move |_| output(code, ""));
        let outcome = apply(&host, &view(says));
        assert_eq!(outcome.warnings.first().map(String::as_str), note);
        assert_eq!(outcome.steps[1].state, Done);
        assert_eq!(text(&host, "/etc/x").is_some(), note.is_some());
        assert_eq!(outcome.steps[1].changes[0].fallback.len(), 1);
    }
    // A preview assumes that the first try works.
    let below = done();
    let previewed = apply(&Overlay::new(&below), &view(more));
    assert!(previewed.warnings.is_empty());
}

#[test]
fn warnings_of_optional_commands_are_redacted() {
    let host = done().answers(|_| output(1, "no such user: 0123456789-secret"));
    let _known = Secret::new("0123456789-secret");
    let outcome = apply(
        &host,
        &view(|_, asked| match asked {
            1 => Check::pending("0123456789-secret", [Change::run(Command::mutate("tell"), []).optional()]),
            _ => Check::satisfied("told 0123456789-secret"),
        }),
    );
    assert_eq!(outcome.warnings, ["`tell` exited with code 1: no such user: <redacted>"]);
    assert_eq!(why(&outcome, "middle"), "told <redacted>");
}

#[test]
fn command_changes_are_flushed_and_packages_listed() {
    fn ran(asked: usize, watches: &[Watch]) -> Result<Check> {
        match asked {
            1 => {
                let brings = [Brings::RepairedPackages, Brings::Package("make".to_owned())];
                Check::pending("to run", [Change::run(Command::mutate("apt-get").brings(brings), watches.to_vec())])
            }
            _ => Check::satisfied("it ran"),
        }
    }
    for (says, flushed) in
        [((|_, asked| ran(asked, &[])) as Says, 0), (|_, asked| ran(asked, &[Watch::file(Path::new("/etc/x"))]), 3)]
    {
        let host = done().answers(|_| output(0, ""));
        let outcome = apply(&host, &view(says));
        assert_eq!(host.flushed.borrow().len(), flushed);
        assert_eq!(outcome.steps[1].changes[0].packages, ["make"]);
    }
}

/// Waits for a program that changes the file which the command will change.
#[derive(Debug)]
struct Waits;

impl Wrapper for Waits {
    fn run(&self, host: &dyn Host, _: &Command) -> Result<Output> {
        host.write(Path::new("/etc/x"), b"ours", Access::root(0o644))?;
        Ok(Output { code: Some(0), ..Output::default() })
    }

    fn wait(&self, host: &dyn Host) -> Result<()> {
        host.write(Path::new("/etc/x"), b"theirs", Access::root(0o644))
    }
}

#[test]
fn changes_by_others_during_a_wait_are_not_recorded_as_ours() {
    let host = done().file("/etc/x", "original");
    let view = view(|host, _| match text(host, "/etc/x").as_deref() {
        Some("ours") => Check::satisfied("it ran"),
        _ => {
            let change = Change::run(Command::mutate("apt-get"), [Watch::file(Path::new("/etc/x"))]);
            Check::pending("to run", [change.wrapped(Arc::new(Waits))])
        }
    });
    let mut receipt = Receipt::load(&host, &[&File]).unwrap();
    let cx = Context::new(&host, &view);
    Runner::new(&STEPS, &cx, &Notes::default()).recorded(&mut receipt).apply().unwrap();
    let before = receipt::entry::file_hash(&receipt.entries()[0].before).concat();
    assert_eq!(before, hash(b"theirs"));
}
