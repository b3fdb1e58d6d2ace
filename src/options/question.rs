//! What rows are counted by and how the counts are printed, as the options ask for it.

use crate::fields;
use crate::fields::Field;
use crate::options::Counting;

/// What is counted, and how it is printed.
pub struct Question {
    /// The fields whose values make a group.
    pub by: Vec<Field>,
    pub sum: Option<Field>,
    pub quantiles: Option<Field>,
    pub hist: Option<Field>,
    pub sort: Sort,
    /// The most groups to print.
    pub top: usize,
    /// The most groups to keep.
    pub max_groups: usize,
}

/// What groups are ordered by; the largest comes first, fields ascend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Count,
    Sum,
    /// Of 100, which is the maximum.
    Quantile(u64),
    /// Its place in `by`.
    Field(usize),
}

impl Question {
    /// What the options ask; by default rows are counted `by` these, of all `fields`.
    ///
    /// # Errors
    /// They name a field that there is not, or that is of no use here.
    pub fn of(options: &Counting, fields: &[Field], by: &[&str]) -> Result<Self, String> {
        let by = match (&options.grouping.by[..], &options.hist) {
            ([], Some(_)) => vec![],
            ([], None) => fields::select(fields, by, &[])?,
            (asked, _) => fields::select(fields, &[], asked)?,
        };
        if let Some(unique) = by.iter().find(|field| field.kind.is_unique()) {
            return Err(format!("--by: {} differs in every row", unique.key));
        }
        if let Some(same) = by.iter().find(|field| fields::CONSTANT.contains(&field.key)) {
            return Err(format!("--by: {} is the same in every row", same.key));
        }
        let quantity = |option: &str, key: &Option<String>| -> Result<Option<Field>, String> {
            let Some(key) = key else { return Ok(None) };
            let field = fields::select(fields, &[], std::slice::from_ref(key))?[0];
            if field.kind.is_quantity() {
                return Ok(Some(field));
            }
            let quantities: Vec<_> =
                fields.iter().filter(|field| field.kind.is_quantity()).map(|field| field.key).collect();
            Err(format!("{option}: {key} cannot be added up; there are {}", quantities.join(", ")))
        };
        let sum = quantity("--sum", &options.sum)?;
        let quantiles = quantity("--quantiles", &options.quantiles)?;
        let hist = quantity("--hist", &options.hist)?;
        if let Some(same) = by.iter().find(|field| hist.is_some_and(|hist| hist.key == field.key)) {
            return Err(format!("--by: {} is what the histogram is of", same.key));
        }
        let quantile = |share| match quantiles.or(hist) {
            Some(_) => Ok(Sort::Quantile(share)),
            None => Err("--sort: that needs --quantiles or --hist".to_owned()),
        };
        let sort = match options.grouping.sort.as_deref().unwrap_or("count") {
            "count" => Sort::Count,
            "sum" if sum.is_some() => Sort::Sum,
            "sum" => return Err("--sort: sum needs --sum".into()),
            "p50" => quantile(50)?,
            "p90" => quantile(90)?,
            "p99" => quantile(99)?,
            "max" => quantile(100)?,
            key => match by.iter().position(|field| field.key == key) {
                Some(at) => Sort::Field(at),
                None => return Err(format!("--sort: rows are not counted by `{key}`")),
            },
        };
        Ok(Self {
            by,
            sum,
            quantiles,
            hist,
            sort,
            top: options.grouping.top.map_or(usize::MAX, |top| top.get() as usize),
            max_groups: options.grouping.max_groups() as usize,
        })
    }

    /// The field whose distribution is asked for.
    #[must_use]
    pub fn distributed(&self) -> Option<&Field> {
        self.quantiles.as_ref().or(self.hist.as_ref())
    }

    /// What the kernel has to gather for it.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        self.by.iter().copied().chain(self.sum).chain(self.quantiles).chain(self.hist).collect()
    }
}
