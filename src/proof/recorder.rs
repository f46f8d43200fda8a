//! Proves that recorders get in, with an account on their virtual host that is created for this and removed afterwards.

use std::time::SystemTime;

use anyhow::{Result, anyhow};

use super::{PlannedProbe, plan};
use crate::engine::report::Proof;
use crate::host::Host;
use crate::login::Password;
use crate::prosody::account::Account;
use crate::prosody::temporary_account::{self, TemporaryAccount};
use crate::site::expectations::Expectations;

/// The account, if this configuration promises that recorders get in; or why there is none.
#[derive(Default)]
pub struct Recorder<'a> {
    account: Option<TemporaryAccount<'a>>,
    warnings: Vec<String>,
}

impl<'a> Recorder<'a> {
    /// Creates the account, and removes those that killed runs left behind. `prosody` is the user that Prosody runs as.
    ///
    /// # Errors
    /// If a note of such an account cannot be read. [`Self::done`] reports what can be neither created nor removed.
    pub fn new(host: &'a dyn Host, prosody: &'a Account, wanted: &Expectations) -> Result<Self> {
        let mut warnings = temporary_account::sweep(host, prosody)?;
        // An account is not created while an earlier one cannot even be removed.
        let made = match wanted.recorders.as_deref() {
            Some(_) if !warnings.is_empty() => Err(anyhow!("an earlier one is still there")),
            Some(domain) => TemporaryAccount::make(host, prosody, domain).map(Some),
            None => Ok(None),
        };
        let account = made.unwrap_or_else(|error| {
            warnings.push(format!("recorders were not tested: no test account could be created ({error:#})"));
            None
        });
        Ok(Self { account, warnings })
    }

    /// The login to make with the account.
    pub fn probe(&self, wanted: &Expectations, now: SystemTime) -> Option<PlannedProbe> {
        self.account.as_ref().map(|account| {
            let password = account.password.reveal().to_owned();
            plan::recorder(wanted, now, Password { user: account.user.clone(), password })
        })
    }

    /// The login with which to wait for jicofo: with our token, or, if only somebody else can sign, with the account.
    pub fn opener(&self, wanted: &Expectations, now: SystemTime) -> Option<PlannedProbe> {
        plan::opener(wanted, now, None).or_else(|| self.probe(wanted, now))
    }

    /// Removes the account, and warns in the proof if an account could not be created or removed.
    pub fn done(self, proof: &mut Proof) {
        proof.warnings.extend(self.warnings);
    }
}
