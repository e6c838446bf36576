//! Answers that are no echo: none of them is a sample of the wrong message (RELIABILITY 4.5 no. 38).

use super::trial::{Case, HEALTHY, MESSAGES, once_and_many};

/// Of the ten messages of one client: answered, timed out, and messages that answer nothing.
type Row = (&'static str, u64, u64, u64);

#[test]
fn wrong_echoes_are_counted_exactly_and_sampled_never() {
    let table: [Row; 9] = [
        ("twice", 10, 0, 10),
        ("dropped", 5, 5, 0),
        ("corrupt", 0, 10, 10),
        ("truncated", 0, 10, 10),
        ("longer", 0, 10, 10),
        ("empty", 0, 10, 10),
        ("other_type", 0, 10, 10),
        // Matched by what they say, whatever the order.
        ("swapped", 10, 0, 0),
        ("previous", 9, 1, 0),
    ];
    once_and_many(&table, |rows, clients| {
        let paths = rows.iter().map(|row| format!("/echo/{}", row.0));
        let trial = Case::new(paths, clients).sound();
        let name = &trial.name;
        let sum = |of: fn(&Row) -> u64| rows.iter().map(of).sum::<u64>() * clients;
        let healthy = HEALTHY * MESSAGES;
        let matched = sum(|row| row.1) + healthy;
        let sent = sum(|_| MESSAGES) + healthy;
        assert_eq!(trial.count("messages_sent"), sent, "{name}");
        assert_eq!(trial.count("replies_matched"), matched, "{name}");
        assert_eq!(trial.count("replies_timed_out"), sum(|row| row.2), "{name}");
        assert_eq!(
            trial.count("messages_unexpected"),
            sum(|row| row.3),
            "{name}"
        );
        trial.assert_sampled(&["round_trip", "service_time"], "replies_matched");
        assert_eq!(trial.count("replies_lost"), 0, "{name}");
    });
}
