//! One order at the CA, from the new order to the chain. What was written into DNS for it is
//! taken away again, however it ends.

use std::{sync::Arc, time::Duration};

use base::Clock;
use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Identifier, NewOrder, Order,
    OrderStatus, RetryPolicy,
};

use super::fault::OrderFault;
use crate::dns::{ChallengePlace, DnsName};

/// CAs validate from several places and sign within seconds; one that takes longer is asked
/// again with the next attempt, which finds the authorisation done.
const POLLS: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(500))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));

/// What is ordered.
pub(super) struct Ordered<'a> {
    pub name: &'a DnsName,
    /// The host's request in DER.
    pub csr: &'a [u8],
    /// The certificate that the new one replaces, for a CA that wants to know.
    pub replaces: Option<CertificateIdentifier<'static>>,
    pub profile: Option<&'a str>,
}

/// Carries out an order. Gives the chain, PEM, and whether the CA was told what it replaces.
pub(super) async fn carry_out(
    account: &Account,
    place: &ChallengePlace,
    clock: &Arc<dyn Clock>,
    ordered: &Ordered<'_>,
) -> Result<(String, bool), OrderFault> {
    let (mut order, replaced) = new_order(account, ordered).await?;
    let mut written = Vec::new();
    let proven = prove(&mut order, place, clock, &mut written).await;
    for value in &written {
        if let Err(error) = place.clear(value, clock.clone()).await {
            // Without a token that is still open the record proves nothing to anybody.
            tracing::warn!(error = &error as &dyn std::error::Error, record = %place.record, "a challenge record is left behind");
        }
    }
    proven?;
    order.finalize_csr(ordered.csr).await?;
    Ok((order.poll_certificate(&POLLS).await?, replaced))
}

async fn new_order(account: &Account, ordered: &Ordered<'_>) -> Result<(Order, bool), OrderFault> {
    let identifiers = [Identifier::Dns(ordered.name.to_string())];
    let plain = || {
        let order = NewOrder::new(&identifiers);
        match ordered.profile {
            Some(profile) => order.profile(profile),
            None => order,
        }
    };
    if let Some(replaced) = &ordered.replaces {
        match account.new_order(&plain().replaces(replaced.clone())).await {
            Ok(order) => return Ok((order, true)),
            // A CA without renewal information, or one for which it was replaced already: the
            // order itself is as good without it. Whoever is turned away is so for both.
            Err(instant_acme::Error::Unsupported(_)) => {}
            Err(instant_acme::Error::Api(problem))
                if problem.r#type.as_deref().is_some_and(is_about_replacing) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok((account.new_order(&plain()).await?, false))
}

/// RFC 9773 §5 and §7.4, and what CAs say of a certificate they do not know.
fn is_about_replacing(kind: &str) -> bool {
    ["alreadyReplaced", "malformed", "conflict"].iter().any(|word| kind.ends_with(&format!(":{word}")))
}

async fn prove(
    order: &mut Order,
    place: &ChallengePlace,
    clock: &Arc<dyn Clock>,
    written: &mut Vec<String>,
) -> Result<(), OrderFault> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            _ => return Err(OrderFault::Refused { detail: "its authorisation is over".to_owned() }),
        }
        let Some(mut challenge) = authorization.challenge(ChallengeType::Dns01) else {
            return Err(OrderFault::Refused { detail: "the CA offers no DNS-01 challenge".to_owned() });
        };
        let value = challenge.key_authorization().dns_value();
        written.push(value.clone());
        place.answer(&value, clock.clone()).await?;
        challenge.set_ready().await?;
    }
    match order.poll_ready(&POLLS).await {
        Ok(OrderStatus::Ready | OrderStatus::Valid) => Ok(()),
        Ok(_) | Err(instant_acme::Error::Api(_)) => Err(OrderFault::Refused { detail: why(order).await }),
        Err(error) => Err(error.into()),
    }
}

/// What the CA says about challenges that it did not find answered.
async fn why(order: &mut Order) -> String {
    let mut said = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let Ok(mut authorization) = authorization else { continue };
        if authorization.refresh().await.is_err() {
            continue;
        }
        let errors = authorization.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        said.extend(errors.filter_map(|error| error.detail.clone()));
    }
    if said.is_empty() {
        said.push("the order became invalid without a word".to_owned());
    }
    said.join("; ").chars().take(500).collect()
}
