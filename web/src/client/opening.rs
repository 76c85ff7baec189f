//! Opening a database that is stored.

use alloc::boxed::Box;
use core::future::{Future, IntoFuture};
use core::pin::Pin;
use core::task::{Context, Poll};

use brooklet::persist::{OnCorruption, OnDataLoss};

use super::database::Brooklet;
use super::error::Result;
use super::options::Options;
use crate::pump::StorageOptions;
use crate::storage::Storage;

pub use brooklet::persist::Mode;

/// How a database is opened that is stored. It is opened when this is awaited.
#[must_use = "nothing is opened before it is awaited"]
pub struct OpenStored {
    storage: Box<dyn Storage>,
    options: Options,
    stored: StorageOptions,
}

impl OpenStored {
    pub(super) fn new(storage: Box<dyn Storage>) -> OpenStored {
        OpenStored { storage, options: Options::default(), stored: StorageOptions::default() }
    }

    /// The limits of the engine.
    pub fn options(mut self, options: Options) -> OpenStored {
        self.options = options;
        self
    }

    /// When what is written becomes durable: [`Mode::EverySecond`] unless said. With [`Mode::Always`] replies wait for it.
    pub fn mode(mut self, mode: Mode) -> OpenStored {
        self.stored.mode = mode;
        self
    }

    /// Only looks: takes nothing over, writes nothing. Commands that write are refused with `READONLY`.
    pub fn read_only(mut self) -> OpenStored {
        self.stored.is_read_only = true;
        self
    }

    /// Waits for so many milliseconds if somebody else has it open; `u64::MAX` is for ever.
    pub fn wait_ms(mut self, wait_ms: u64) -> OpenStored {
        self.stored.lock_wait_ms = wait_ms;
        self
    }

    /// Takes it from whoever has it open.
    pub fn steal(mut self) -> OpenStored {
        self.stored.steals_lock = true;
        self
    }

    /// If what is stored is damaged behind a good beginning, loads that and puts the rest aside.
    pub fn salvage(mut self) -> OpenStored {
        self.stored.on_corruption = OnCorruption::Salvage;
        self
    }

    /// If less is stored than was known to be durable, goes on with what there is.
    pub fn accept_loss(mut self) -> OpenStored {
        self.stored.on_data_loss = OnDataLoss::Accept;
        self
    }
}

impl IntoFuture for OpenStored {
    type Output = Result<Brooklet>;
    type IntoFuture = Opening;

    fn into_future(self) -> Opening {
        Opening { database: Brooklet::stored(&self.options, self.storage, self.stored) }
    }
}

/// A database that is being opened. To drop it gives that up.
pub struct Opening {
    database: Result<Brooklet>,
}

impl Future for Opening {
    type Output = Result<Brooklet>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Brooklet>> {
        match &self.database {
            Ok(database) => database.poll_open(context).map(|opened| opened.map(|()| database.clone())),
            Err(error) => Poll::Ready(Err(error.clone())),
        }
    }
}
