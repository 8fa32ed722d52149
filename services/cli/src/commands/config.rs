//! `tamis config` and `tamis describe`: whether settings can be used, and what there is to set.

use tamis_server::config::layers::schema;
use tamis_server::openapi;
use toml::Table;

use super::line;
use crate::args::{Described, Global};
use crate::connect::loaded;
use crate::failure::{Failure, Result};

pub(crate) fn check(global: &Global) -> Result {
    let loaded = loaded(global, Table::new())?;
    tamis_server::app::check(&loaded.config).map_err(|e| Failure::Usage(e.to_string()))?;
    line("the settings can be used")
}

pub(crate) fn describe(what: Described) -> Result {
    let described = match what {
        Described::Config => schema().to_value(),
        Described::Api => openapi(),
    };
    line(&format!("{described:#}"))
}
