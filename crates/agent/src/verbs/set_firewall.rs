//! `set_firewall`: brings UFW to the ordered rules, on trial. Adds before it removes, and
//! shuts what no rule opens.

use baseline::{Purpose, Rule, UfwCommand, firewall_changes};
use wire::{Failure, FirewallRule, Outcome, limits};

use super::{impossible, internal};
use crate::{
    firewall::{self, Trial},
    jobs::Job,
    observe,
};

pub(super) async fn perform(job: &Job, rules: &[FirewallRule], undo_after: u16) -> Result<Outcome, Failure> {
    let wanted = wanted(rules)?;
    if !limits::FIREWALL_TRIAL.contains(&undo_after) {
        return Err(impossible(format!("a trial of {undo_after} s is too short or too long")));
    }
    let report = observe::firewall().await;
    if !report.installed {
        return Err(impossible("UFW is not installed on this host"));
    }
    let changes = firewall_changes(&wanted, &report.rules);
    let is_shut = report.active && matches!(report.default_incoming.as_str(), "deny" | "reject");
    // These very rules may be on trial, for somebody who never heard that they were set.
    let on_trial = Trial::open(&job.places).map_err(internal)?.is_some();
    if changes.is_empty() && is_shut && !on_trial {
        return Ok(Outcome::AlreadyDone);
    }
    Trial::begin(&job.places, &job.key, undo_after).await.map_err(internal)?;
    job.log(&format!("on trial for {undo_after} s"));
    for (number, command) in changes.iter().enumerate() {
        job.log(&format!("ufw {command}"));
        job.progress(100.0 * number as f32 / changes.len() as f32, "Changing the firewall");
        firewall::run(std::slice::from_ref(command)).await.map_err(internal)?;
    }
    if !is_shut {
        // Only now, with every way in that has to be there.
        firewall::run(&UfwCommand::shut_the_rest()).await.map_err(internal)?;
        job.log("everything else is shut");
    }
    Ok(Outcome::Done)
}

/// The ordered rules, if they leave the control plane a way in.
fn wanted(rules: &[FirewallRule]) -> Result<Vec<Rule>, Failure> {
    if rules.len() > limits::FIREWALL_RULES {
        return Err(impossible(format!(
            "{} rules; a host has at most {}",
            rules.len(),
            limits::FIREWALL_RULES
        )));
    }
    let wanted = rules.iter().map(Rule::try_from).collect::<Result<Vec<_>, _>>();
    let wanted = wanted.map_err(|error| impossible(error.to_string()))?;
    if !wanted.iter().any(|rule| rule.purpose == Purpose::Agent) {
        return Err(impossible("no rule lets the control plane in, which would lock it out"));
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use wire::{Action, FailureKind};

    use super::*;

    #[test]
    fn an_order_that_locks_out_or_is_odd_is_refused_whole() {
        let rule =
            |purpose, source: &str| FirewallRule { purpose, action: Action::Allow, source: source.into() };
        let good = [rule(Purpose::Agent, "203.0.113.4"), rule(Purpose::Https, "::/0")];
        assert_eq!(wanted(&good).unwrap().len(), 2);
        let odd = [good[0].clone(), rule(Purpose::Ssh, "203.0.113.4; reboot")];
        for bad in [&good[1..], &odd, &vec![good[0].clone(); limits::FIREWALL_RULES + 1]] {
            assert_eq!(wanted(bad).unwrap_err().kind, FailureKind::Impossible, "{:?}", bad.first());
        }
    }
}
