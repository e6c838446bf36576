//! The known name that a misspelled one was meant to be.

/// Longer names, in bytes, are no misspelling: the distance takes time in the product of both lengths.
const LONGEST: usize = 100;

/// The nearest of `known`, if it is near enough to be worth naming.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    known
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| {
            let longest = name.chars().count().max(candidate.chars().count());
            *distance <= 1 + longest / 4 && *distance < longest
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let known = ["clients", "duration", "arrivals_per_s"];
        assert_eq!(nearest("conections", ["connections"]), Some("connections"));
        assert_eq!(nearest("cleints", known), Some("clients"));
        assert_eq!(nearest("arrivals_per_sec", known), Some("arrivals_per_s"));
        assert_eq!(nearest("fault", known), None);
        assert_eq!(nearest("", known), None);
        let long = "x".repeat(1_000_000);
        assert_eq!(nearest(&long, [&long[1..]]), None);
    }
}
