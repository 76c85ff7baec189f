//! Times, taken in rounds.
//!
//! On a machine that others use too, one long measurement says when it was disturbed, not how long the work takes. So
//! everything that is compared is measured in many short rounds, one after the other in turn, and the median of the
//! rounds is told, with the middle half of them as the spread.

use std::time::Instant;

/// The measurements of one thing, each in nanoseconds for one unit of work.
#[derive(Default)]
pub(crate) struct Rounds {
    times_ns: Vec<f64>,
}

impl Rounds {
    /// Measures one round of `units` units of work.
    pub(crate) fn measure<T>(&mut self, units: usize, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = std::hint::black_box(work());
        self.times_ns.push(start.elapsed().as_nanos() as f64 / units as f64);
        result
    }

    /// The median.
    pub(crate) fn median_ns(&self) -> f64 {
        self.at(0.5)
    }

    /// The time that a tenth of the rounds stayed below.
    pub(crate) fn least_ns(&self) -> f64 {
        self.at(0.1)
    }

    /// Units of work per second, by the median.
    pub(crate) fn per_second(&self) -> f64 {
        1e9 / self.median_ns()
    }

    /// Half the distance between the first and the third quarter of the rounds, in percent of the median.
    pub(crate) fn spread_percent(&self) -> f64 {
        (self.at(0.75) - self.at(0.25)) / 2.0 / self.median_ns() * 100.0
    }

    /// The median, the spread, and the time that a tenth of the rounds stayed below, as tables show them. The last says
    /// what the work takes where nobody else uses the machine.
    pub(crate) fn cells(&self) -> [String; 3] {
        let (median, spread, least) = (self.median_ns(), self.spread_percent(), self.least_ns());
        [format!("{median:.0}"), format!("+-{spread:.0} %"), format!("{least:.0}")]
    }

    fn at(&self, share: f64) -> f64 {
        let mut sorted = self.times_ns.clone();
        sorted.sort_by(f64::total_cmp);
        let place = (sorted.len() - 1) as f64 * share;
        sorted[place.round() as usize]
    }
}
