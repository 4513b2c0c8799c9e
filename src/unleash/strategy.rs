//! Compiling strategies.

use std::sync::Arc;

use super::{
    compile::{Fault, constraints, fitting, prefix, variant_sticky, variants},
    evaluate::ROLLOUTS,
    field::Field,
    model,
    network::Network,
    settings::Settings,
    tree::{Base, CustomCall, Rollout, Sticky, Strategy},
};
use crate::flag::Reason;

pub(super) fn strategy(
    settings: &Arc<Settings>,
    toggle: &str,
    strategy: &model::Strategy<'_>,
    last: &mut Option<Arc<Field>>,
) -> Result<Strategy, Fault> {
    let parameters = &strategy.parameters;
    let base = match &*strategy.name {
        "default" => Base::Always,
        "userWithId" => match parameters.get("userIds") {
            Some(ids) => user_with_id(ids)?,
            None => Base::Never,
        },
        "flexibleRollout" => match whole(parameters.get("rollout")) {
            Some(percent) => {
                let sticky = match parameters.get("stickiness") {
                    None | Some("default") => Sticky::Default,
                    Some("random") => Sticky::Random,
                    Some(name) => Sticky::Field(sticky_field(name)?),
                };
                rollout(toggle, percent, "rollout", sticky, parameters.get("groupId"))?
            }
            None => Base::Never,
        },
        "gradualRolloutUserId" => gradual(toggle, parameters, Field::UserId)?,
        "gradualRolloutSessionId" => gradual(toggle, parameters, Field::SessionId)?,
        "gradualRolloutRandom" => {
            whole(parameters.get("percentage")).map_or(Base::Never, Base::Random)
        }
        "remoteAddress" => match parameters.get("IPs") {
            Some(addresses) => remote_address(addresses)?,
            None => Base::Never,
        },
        "applicationHostname" => {
            host_name(settings, parameters.get("hostNames").unwrap_or_default())?
        }
        custom => Base::Custom(Box::new(CustomCall {
            strategy: settings.strategy(custom),
            parameters: parameters.iter().collect(),
        })),
    };
    let constraints = constraints(&strategy.constraints, last)?;
    let group = parameters.get("groupId").unwrap_or(toggle);
    let sticky = variant_sticky(parameters.get("stickiness"));
    let constrained = !constraints.is_empty() || !strategy.segments.is_empty();
    let reason = match &base {
        Base::Rollout(_) => Reason::Split,
        Base::Random(percent) if *percent < 100 => Reason::Split,
        Base::Always | Base::Never | Base::Random(_) if !constrained => Reason::Default,
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

fn user_with_id(ids: &str) -> Result<Base, Fault> {
    let ids = || ids.split(',').map(str::trim);
    if ids().any(|id| id.ends_with('\\')) {
        return Err(Fault::new(
            "/parameters/userIds",
            "an id with a backslash at the end",
            "ids without it",
        ));
    }
    Ok(Base::UserWithId(ids().collect()))
}

fn gradual(toggle: &str, parameters: &model::Parameters<'_>, by: Field) -> Result<Base, Fault> {
    match (whole(parameters.get("percentage")), parameters.get("groupId")) {
        (Some(percent), Some(group)) => {
            rollout(toggle, percent, "percentage", Sticky::Field(by), Some(group))
        }
        _ => Ok(Base::Never),
    }
}

fn rollout(
    toggle: &str,
    percent: u64,
    parameter: &str,
    sticky: Sticky,
    group: Option<&str>,
) -> Result<Base, Fault> {
    let group = match group {
        Some(group) => Some(fitting("/parameters/groupId", group)?),
        None => None,
    };
    if percent > 100 {
        let path = format!("/parameters/{parameter}");
        return Err(Fault::new(path, percent.to_string(), "at most 100"));
    }
    Ok(match (percent, &sticky) {
        (0, _) => Base::Never,
        // Whoever has nothing to hang on is drawn for, and everybody is in.
        (100, Sticky::Default | Sticky::Random) => Base::Always,
        _ => Base::Rollout(Rollout {
            percent: percent as u32,
            sticky,
            prefix: prefix(ROLLOUTS, group.as_deref().unwrap_or(toggle)),
            by_asked: group.is_none(),
        }),
    })
}

fn sticky_field(name: &str) -> Result<Field, Fault> {
    let field = Field::named(name);
    if let Field::Property(name) = &field {
        fitting("/parameters/stickiness", name)?;
    }
    Ok(field)
}

fn remote_address(addresses: &str) -> Result<Base, Fault> {
    let addresses = addresses.split(',').map(str::trim);
    let addresses = addresses
        .map(|address| fitting("/parameters/IPs", address))
        .collect::<Result<Vec<_>, Fault>>()?;
    let networks = addresses.iter().filter_map(|address| Network::read(address));
    Ok(Base::RemoteAddress(networks.collect()))
}

/// The host's name does not change, so that nothing of this is left for evaluation.
fn host_name(settings: &Settings, names: &str) -> Result<Base, Fault> {
    let names = names.split(',').map(str::trim);
    let names = names
        .map(|name| fitting("/parameters/hostNames", name))
        .collect::<Result<Vec<_>, Fault>>()?;
    let here = settings.host_name.as_deref().map(str::to_lowercase);
    let named = here.is_some_and(|here| names.iter().any(|name| name.to_lowercase() == here));
    Ok(if named { Base::Always } else { Base::Never })
}
