//! Programs of all kinds behind one type, so that one engine carries them all.

use async_trait::async_trait;
use base::Problem;
use serde_json::Value;

use crate::{Context, JournalLine, Next, Program, RunRecord, Step, UndoNext, context::Broken, engine::Desk};

/// A program with its types hidden. Implemented for every [`Program`].
#[async_trait]
pub trait AnyProgram: Send + Sync + 'static {
    /// Stored name of the kind.
    fn kind(&self) -> &'static str;
    /// Stored name and title of each step, in running order.
    fn steps(&self) -> Vec<(&'static str, &'static str)>;
    /// The stored form of an empty state, and its version.
    fn empty_state(&self) -> (Value, u16);
    #[doc(hidden)]
    async fn call(&self, call: Call, record: &mut RunRecord, desk: &Desk) -> Called;
}

/// Which of a program's functions.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub enum Call {
    Step,
    Undo,
    Verify,
}

/// What came of it.
#[doc(hidden)]
#[derive(Debug)]
pub enum Called {
    Step(Next<&'static str>, Vec<JournalLine>),
    Undo(UndoNext, Vec<JournalLine>),
    /// What is stored does not fit this program: parked for the operator.
    Unreadable(Problem),
    /// Nothing of it counts; the engine lets go of the run.
    Broken(#[allow(dead_code, reason = "read through Debug, for the log")] BrokenCall),
}

/// Why a call does not count.
#[doc(hidden)]
#[derive(Debug)]
pub enum BrokenCall {
    Died,
    Store(crate::StoreError),
}

#[async_trait]
impl<P: Program> AnyProgram for P {
    fn kind(&self) -> &'static str {
        P::KIND
    }

    fn steps(&self) -> Vec<(&'static str, &'static str)> {
        P::Step::ALL.iter().map(|step| (step.name(), step.title())).collect()
    }

    fn empty_state(&self) -> (Value, u16) {
        (serde_json::to_value(P::State::default()).unwrap_or(Value::Null), P::STATE_VERSION)
    }

    async fn call(&self, call: Call, record: &mut RunRecord, desk: &Desk) -> Called {
        let unreadable = |what: &str, detail: String| {
            Called::Unreadable(
                Problem::new("run.unreadable", format!("could not go on with a `{}` run", P::KIND))
                    .found(format!("its stored {what} is not one that this version knows: {detail}"))
                    .state("The run rests where it was; nothing more was done")
                    .next("run the version that started it, or cancel it"),
            )
        };
        if record.state_version != P::STATE_VERSION {
            return unreadable("state", format!("version {}", record.state_version));
        }
        let plan: P::Plan = match serde_json::from_value(record.plan.clone()) {
            Ok(plan) => plan,
            Err(error) => return unreadable("plan", error.to_string()),
        };
        let state: P::State = match serde_json::from_value(record.state.clone()) {
            Ok(state) => state,
            Err(error) => return unreadable("state", error.to_string()),
        };
        let Some(step) = P::Step::from_name(&record.step) else {
            return unreadable("step", format!("`{}`", record.step));
        };
        let undo = match call {
            Call::Undo => match record.undo.last().map(|entry| serde_json::from_value(entry.data.clone())) {
                Some(Ok(undo)) => Some(undo),
                Some(Err(error)) => return unreadable("undo", format!("{error}")),
                None => return unreadable("undo", "there is none".to_owned()),
            },
            Call::Step | Call::Verify => None,
        };
        let mut context = Context::<P> { plan: &plan, state, record, lines: Vec::new(), desk, broken: None };
        let answer = match (call, &undo) {
            (Call::Undo, Some(undo)) => Err(self.undo(undo, &mut context).await),
            (Call::Verify, _) => Err(self.verify_undone(&mut context).await),
            (Call::Step | Call::Undo, _) => Ok(self.step(step, &mut context).await),
        };
        let Context { state, lines, broken, record, .. } = context;
        match broken {
            None => {}
            Some(Broken::Died) => return Called::Broken(BrokenCall::Died),
            Some(Broken::Store(error)) => return Called::Broken(BrokenCall::Store(error)),
            Some(Broken::Unwritable(error)) => return unreadable("state", error.to_string()),
        }
        match serde_json::to_value(&state) {
            Ok(state) => record.state = state,
            Err(error) => return unreadable("state", error.to_string()),
        }
        match answer {
            Ok(Next::Go(step)) => Called::Step(Next::Go(step.name()), lines),
            Ok(Next::Wait { pause, why }) => Called::Step(Next::Wait { pause, why }, lines),
            Ok(Next::RollBack(problem)) => Called::Step(Next::RollBack(problem), lines),
            Ok(Next::Finish { summary }) => Called::Step(Next::Finish { summary }, lines),
            Ok(Next::AskOperator(problem)) => Called::Step(Next::AskOperator(problem), lines),
            Err(undo) => Called::Undo(undo, lines),
        }
    }
}
