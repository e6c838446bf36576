//! Ephemeral ports: each pair of a source address and a target has the kernel's range of them once.

use anyhow::bail;

use crate::report::view::count;
use crate::scenario::Forecast;

/// Ports one source address has for one target; `None` where the kernel does not say.
pub fn usable() -> Option<u64> {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok();
    let range = read("ip_local_port_range")?;
    let reserved = read("ip_local_reserved_ports").unwrap_or_default();
    in_range(&range, &reserved)
}

/// Ports of a range `32768 60999` without the reserved `40000,50000-50010`.
fn in_range(range: &str, reserved: &str) -> Option<u64> {
    let mut ends = range.split_whitespace().map(str::parse::<u64>);
    let (low, high) = (ends.next()?.ok()?, ends.next()?.ok()?);
    let is_reserved = |port: u64| {
        let mut parts = reserved.trim().split(',');
        parts.any(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let first = first.trim().parse();
            let last = last.trim().parse();
            matches!((first, last), (Ok(first), Ok(last)) if (first..=last).contains(&port))
        })
    };
    let ports = (low..=high).filter(|port| !is_reserved(*port));
    Some(ports.count() as u64)
}

/// The arithmetic, or the refusal of what does not fit.
pub fn judge(forecast: &Forecast, usable: Option<u64>) -> anyhow::Result<String> {
    let (clients, paths) = (u64::from(forecast.max_clients), forecast.paths);
    let Some(usable) = usable else {
        return Ok(format!("ports: {} of an unknown number", count(clients)));
    };
    let all = usable * paths;
    if clients > all {
        let wanted = clients.div_ceil(usable.max(1));
        bail!(
            "{clients} clients need {clients} ephemeral ports, but there are {all}: \
             {usable} (net.ipv4.ip_local_port_range without ip_local_reserved_ports) \
             x {paths} pairs of source address and target\n\
             hint: give {wanted} `target.source_addresses` (--source-address), \
             widen the range, or run fewer clients"
        );
    }
    let [clients, usable, all] = [clients, usable, all].map(count);
    Ok(format!(
        "ports: {clients} of {all} ({usable} x {paths} pairs of source address and target)"
    ))
}

#[cfg(test)]
mod tests {
    use super::super::tests::forecast;
    use super::*;

    #[test]
    fn reserved_ports_are_not_usable() {
        for (range, reserved, expected) in [
            ("32768\t60999\n", "\n", Some(28_232)),
            ("40000 40020", "", Some(21)),
            ("40000 40020", "40000,40005-40009,50000-50001\n", Some(15)),
            ("40000 40020", "1-65535", Some(0)),
            ("40020 40000", "", Some(0)),
            ("", "", None),
            ("a b", "", None),
        ] {
            assert_eq!(in_range(range, reserved), expected, "{range} {reserved}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_number_of_addresses_it_takes() {
        for (clients, paths, usable, fits) in [
            (21, 1, 21, true),
            (22, 1, 21, false),
            (42, 2, 21, true),
            (43, 2, 21, false),
            (1, 1, 0, false),
        ] {
            let needs = Forecast {
                paths,
                ..forecast(clients)
            };
            let judged = judge(&needs, Some(usable));
            assert_eq!(judged.is_ok(), fits, "{clients} {paths} {usable}");
        }
        let refused = judge(&forecast(50), Some(21))
            .expect_err("50 > 21")
            .to_string();
        assert!(
            refused.contains("hint: give 3 `target.source_addresses`"),
            "{refused}"
        );
        assert!(judge(&forecast(1_000_000), None).is_ok());
    }
}
