//! The endpoints that are one file each: from the request to the answer in the form that a standard
//! prescribes. The larger ones ([`crate::authorize`], [`crate::token`], [`crate::clients`]) have files of
//! their own.

pub(crate) mod answers;
pub(crate) mod consents;
pub(crate) mod discovery;
pub(crate) mod introspection;
pub(crate) mod logout;
pub(crate) mod userinfo;
