//! `holdfast receipt …`

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use base::{Problem, RunId};
use clap::Subcommand;

use super::{CliError, Context, client::Client, table};
use crate::{
    patching::{SignedReceipt, public_key_of},
    secrets::Vault,
};

/// What can be done with receipts.
#[derive(Debug, Subcommand)]
pub enum ReceiptCommand {
    /// Print the receipt of a run, exactly as it was signed.
    Show {
        /// The run.
        run: RunId,
    },
    /// Print the public key that this control plane signs receipts with.
    Key,
    /// Verify a receipt. Needs nothing but the file.
    Verify {
        /// The file.
        file: PathBuf,
        /// The signer's public key, base64. Without it the signature is checked against
        /// the key in the file, which is printed for you to compare.
        #[arg(long, value_name = "BASE64")]
        public_key: Option<String>,
    },
}

impl ReceiptCommand {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        match self {
            Self::Show { run } => {
                let client = Client::open(context)?;
                let receipt =
                    client.send(reqwest::Method::GET, &format!("/runs/{run}/receipt"), None).await?;
                println!("{}", receipt.text().await.map_err(anyhow::Error::from)?);
            }
            Self::Key => {
                let file = context.data.join("master.key");
                if !file.exists() {
                    return Err(Problem::new("receipt.no_data", format!("there is no `{}`", file.display()))
                        .next("name the data directory with `--data`")
                        .into());
                }
                let vault = Vault::open(&file).map_err(anyhow::Error::from)?;
                println!("{}", public_key_of(&vault));
            }
            Self::Verify { file, public_key } => verify(context, &file, public_key.as_deref())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn verify(context: &Context, file: &PathBuf, public_key: Option<&str>) -> Result<(), CliError> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let (receipt, key) = SignedReceipt::verify(&text, public_key).map_err(|error| {
        Problem::new("receipt.not_verified", format!("`{}` does not verify", file.display()))
            .found(error.to_string())
            .next("do not rely on it; get it anew from the control plane")
    })?;
    if context.json {
        table::json(&serde_json::json!({ "verified": true, "public_key": key, "receipt": receipt }));
        return Ok(());
    }
    println!("verified: signed with the key {key}");
    if public_key.is_none() {
        println!("compare that key with the one you trust, or pass it with `--public-key`");
    }
    println!(
        "{} of `{}`: {}, {}",
        receipt.kind,
        receipt.server_name,
        receipt.outcome.replace('_', " "),
        receipt.summary
    );
    println!(
        "{} packages changed, {}, ended at {}",
        receipt.packages.len(),
        receipt.closed_in_words(),
        receipt.ended_at
    );
    Ok(())
}
