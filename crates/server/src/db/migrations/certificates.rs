//! Zones, the account at the CA, and the certificates of servers.

use sea_orm_migration::{prelude::*, schema::*};

use super::{key, table};

/// The tables of certificates.
pub struct Certificates;

impl MigrationName for Certificates {
    fn name(&self) -> &str {
        "m0006_certificates"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Certificates {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            table("dns_zone")
                .col(key("name"))
                .col(text("settings"))
                .col(text_null("secret_sealed"))
                .col(big_integer("created_at"))
                .to_owned(),
            table("acme_account").col(key("directory")).col(text("credentials_sealed")).to_owned(),
            table("certificate")
                .col(key("server"))
                .col(string("name"))
                .col(string("zone"))
                .col(string("state"))
                .col(big_integer_null("next_attempt_at"))
                .col(text("record"))
                .to_owned(),
            table("certificate_issuance")
                .col(big_pk_auto("number"))
                .col(string("zone"))
                .col(string("name"))
                .col(big_integer("at"))
                .col(boolean("replaced"))
                .to_owned(),
        ];
        for table in tables {
            manager.create_table(table).await?;
        }
        for (name, table, column) in [
            ("certificate_by_state", "certificate", "state"),
            ("certificate_issuance_by_time", "certificate_issuance", "at"),
        ] {
            manager.create_index(Index::create().name(name).table(table).col(column).to_owned()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["certificate_issuance", "certificate", "acme_account", "dns_zone"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}
