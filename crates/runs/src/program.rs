//! A program: what kind of run it is, its steps, and how each is undone.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Context, Next, Step, UndoNext};

/// One kind of run.
#[async_trait]
pub trait Program: Send + Sync + Sized + 'static {
    /// Stored name of the kind.
    const KIND: &'static str;
    /// Version of the stored form of [`Program::State`].
    const STATE_VERSION: u16;

    /// Its steps, in running order.
    type Step: Step;
    /// What was approved.
    type Plan: Serialize + DeserializeOwned + Debug + Send + Sync;
    /// What it remembers between steps.
    type State: Serialize + DeserializeOwned + Default + Debug + Send + Sync;
    /// What an undo needs to know.
    type Undo: Serialize + DeserializeOwned + Debug + Send + Sync;

    /// Carries out one step: one exhaustive match, a line each.
    async fn step(&self, step: Self::Step, run: &mut Context<'_, Self>) -> Next<Self::Step>;

    /// Undoes one recorded effect. It must succeed when the effect never happened, and
    /// when it was undone before.
    async fn undo(&self, undo: &Self::Undo, run: &mut Context<'_, Self>) -> UndoNext;

    /// Proves, by fresh observation, that things are as they were.
    async fn verify_undone(&self, run: &mut Context<'_, Self>) -> UndoNext;
}
