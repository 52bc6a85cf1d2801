//! Credentials and sessions against scripted services.
