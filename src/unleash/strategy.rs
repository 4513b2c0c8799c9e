//! Compiling strategies.

use std::sync::Arc;

use super::{
    compile::{CompileError, constraints, prefix, quotable, variant_sticky, variants},
    evaluate::ROLLOUTS,
    field::Field,
    model,
    network::Network,
    options::UnleashOptions,
    tree::{CustomCall, Rollout, Stickiness, Strategy, StrategyKind},
};
use crate::flag::Reason;

pub(super) fn strategy(
    options: &Arc<UnleashOptions>,
    toggle: &str,
    strategy: &model::Strategy<'_>,
    last: &mut Option<Arc<Field>>,
) -> Result<Strategy, CompileError> {
    let parameters = &strategy.parameters;
    let base = match &*strategy.name {
        "default" => StrategyKind::Always,
        "userWithId" => match parameters.get("userIds") {
            Some(ids) => user_with_id(ids)?,
            None => StrategyKind::Never,
        },
        "flexibleRollout" => match whole(parameters.get("rollout")) {
            Some(percent) => {
                let sticky = match parameters.get("stickiness") {
                    None | Some("default") => Stickiness::Default,
                    Some("random") => Stickiness::Random,
                    Some(name) => Stickiness::Field(sticky_field(name)?),
                };
                rollout(toggle, percent, "rollout", sticky, parameters.get("groupId"))?
            }
            None => StrategyKind::Never,
        },
        "gradualRolloutUserId" => gradual(toggle, parameters, Field::UserId)?,
        "gradualRolloutSessionId" => gradual(toggle, parameters, Field::SessionId)?,
        "gradualRolloutRandom" => {
            whole(parameters.get("percentage")).map_or(StrategyKind::Never, StrategyKind::Random)
        }
        "remoteAddress" => match parameters.get("IPs") {
            Some(addresses) => remote_address(addresses)?,
            None => StrategyKind::Never,
        },
        "applicationHostname" => {
            host_name(options, parameters.get("hostNames").unwrap_or_default())?
        }
        custom => StrategyKind::Custom(Box::new(CustomCall {
            strategy: options.strategy(custom),
            parameters: parameters.iter().collect(),
        })),
    };
    let constraints = constraints(&strategy.constraints, last)?;
    let group = parameters.get("groupId").unwrap_or(toggle);
    let sticky = variant_sticky(parameters.get("stickiness"));
    let constrained = !constraints.is_empty() || !strategy.segments.is_empty();
    let reason = match &base {
        StrategyKind::Rollout(_) => Reason::Split,
        StrategyKind::Random(percent) if *percent < 100 => Reason::Split,
        StrategyKind::Always | StrategyKind::Never | StrategyKind::Random(_) if !constrained => {
            Reason::Default
        }
        _ => Reason::TargetingMatch,
    };
    Ok(Strategy {
        name: (&*strategy.name).into(),
        base,
        constraints,
        segments: strategy.segments.iter().map(|id| id.to_string().into()).collect(),
        variants: variants(&strategy.variants, false, sticky, group),
        reason,
    })
}

/// A parameter that must be a whole number.
fn whole(parameter: Option<&str>) -> Option<u64> {
    parameter?.parse().ok()
}

fn user_with_id(ids: &str) -> Result<StrategyKind, CompileError> {
    let ids = || ids.split(',').map(str::trim);
    if ids().any(|id| id.ends_with('\\')) {
        return Err(CompileError::new(
            "/parameters/userIds",
            "an id with a backslash at the end",
            "ids without it",
        ));
    }
    Ok(StrategyKind::UserWithId(ids().collect()))
}

fn gradual(
    toggle: &str,
    parameters: &model::Parameters<'_>,
    by: Field,
) -> Result<StrategyKind, CompileError> {
    match (whole(parameters.get("percentage")), parameters.get("groupId")) {
        (Some(percent), Some(group)) => {
            rollout(toggle, percent, "percentage", Stickiness::Field(by), Some(group))
        }
        _ => Ok(StrategyKind::Never),
    }
}

fn rollout(
    toggle: &str,
    percent: u64,
    parameter: &str,
    sticky: Stickiness,
    group: Option<&str>,
) -> Result<StrategyKind, CompileError> {
    let group = match group {
        Some(group) => Some(quotable("/parameters/groupId", group)?),
        None => None,
    };
    if percent > 100 {
        let path = format!("/parameters/{parameter}");
        return Err(CompileError::new(path, percent.to_string(), "at most 100"));
    }
    Ok(match (percent, &sticky) {
        (0, _) => StrategyKind::Never,
        // Whoever has nothing to hang on is drawn for, and everybody is in.
        (100, Stickiness::Default | Stickiness::Random) => StrategyKind::Always,
        _ => StrategyKind::Rollout(Rollout {
            percent: percent as u32,
            sticky,
            prefix: prefix(ROLLOUTS, group.as_deref().unwrap_or(toggle)),
            by_asked: group.is_none(),
        }),
    })
}

fn sticky_field(name: &str) -> Result<Field, CompileError> {
    let field = Field::named(name);
    if let Field::Property(name) = &field {
        quotable("/parameters/stickiness", name)?;
    }
    Ok(field)
}

fn remote_address(addresses: &str) -> Result<StrategyKind, CompileError> {
    let addresses = addresses.split(',').map(str::trim);
    let addresses = addresses
        .map(|address| quotable("/parameters/IPs", address))
        .collect::<Result<Vec<_>, CompileError>>()?;
    let networks = addresses.iter().filter_map(|address| Network::read(address));
    Ok(StrategyKind::RemoteAddress(networks.collect()))
}

/// The host's name does not change, so that nothing of this is left for evaluation.
fn host_name(options: &UnleashOptions, names: &str) -> Result<StrategyKind, CompileError> {
    let names = names.split(',').map(str::trim);
    let names = names
        .map(|name| quotable("/parameters/hostNames", name))
        .collect::<Result<Vec<_>, CompileError>>()?;
    let here = options.host_name.as_deref().map(str::to_lowercase);
    let named = here.is_some_and(|here| names.iter().any(|name| name.to_lowercase() == here));
    Ok(if named { StrategyKind::Always } else { StrategyKind::Never })
}
