//! The tables, in the order in which they came to be.

mod certificates;

use sea_orm_migration::{prelude::*, schema::*};

/// All migrations, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(Foundation),
            Box::new(Keepsakes),
            Box::new(PackageLists),
            Box::new(Acceptance),
            Box::new(Firewall),
            Box::new(certificates::Certificates),
            Box::new(Drift),
        ]
    }
}

/// The ledger of snapshots becomes that of everything that runs keep.
struct Keepsakes;

impl MigrationName for Keepsakes {
    fn name(&self) -> &str {
        "m0002_keepsakes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Keepsakes {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.rename_table(Table::rename().table("snapshot", "keepsake").to_owned()).await?;
        let kind = string("kind").default("snapshot").to_owned();
        manager.alter_table(Table::alter().table("keepsake").add_column(kind).to_owned()).await?;
        rename_ids(manager, "snp", "kpt").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = "DELETE FROM keepsake WHERE kind <> 'snapshot'";
        manager.get_connection().execute_unprepared(drop).await?;
        rename_ids(manager, "kpt", "snp").await?;
        manager.alter_table(Table::alter().table("keepsake").drop_column("kind").to_owned()).await?;
        manager.rename_table(Table::rename().table("keepsake", "snapshot").to_owned()).await
    }
}

/// Lists of packages are kept apart from inventories, once each.
struct PackageLists;

impl MigrationName for PackageLists {
    fn name(&self) -> &str {
        "m0003_package_lists"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for PackageLists {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let list = table("package_list").col(key("sha256")).col(blob("body_zstd")).to_owned();
        manager.create_table(list).await?;
        let column = string_null("package_list");
        manager.alter_table(Table::alter().table("inventory").add_column(column).to_owned()).await?;
        let by_list =
            Index::create().name("inventory_by_list").table("inventory").col("package_list").to_owned();
        manager.create_index(by_list).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Without their lists these rows would tell of hosts without packages.
        let drop = "DELETE FROM inventory WHERE package_list IS NOT NULL";
        manager.get_connection().execute_unprepared(drop).await?;
        manager.drop_index(Index::drop().name("inventory_by_list").table("inventory").to_owned()).await?;
        manager.alter_table(Table::alter().table("inventory").drop_column("package_list").to_owned()).await?;
        manager.drop_table(Table::drop().table("package_list").to_owned()).await
    }
}

/// Ids carry the name of what they are of.
async fn rename_ids(manager: &SchemaManager<'_>, from: &str, to: &str) -> Result<(), DbErr> {
    let rename = format!("UPDATE keepsake SET id = '{to}' || substr(id, 4) WHERE id LIKE '{from}%'");
    manager.get_connection().execute_unprepared(&rename).await.map(drop)
}

/// Risks that were accepted.
struct Acceptance;

impl MigrationName for Acceptance {
    fn name(&self) -> &str {
        "m0004_acceptance"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Acceptance {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let acceptance = table("acceptance")
            .col(key("id"))
            .col(string("cve"))
            .col(string("scope"))
            .col(string_null("server_name"))
            .col(text("reason"))
            .col(string("owner"))
            .col(string("accepted_by"))
            .col(big_integer("accepted_at"))
            .col(big_integer("until"))
            .col(string_null("closed_as"))
            .col(big_integer_null("closed_at"))
            .col(string_null("closed_by"))
            .to_owned();
        manager.create_table(acceptance).await?;
        // Of two open ones for the same thing nobody could tell which one counts. See
        // `run_open_by_subject` for why this is written out.
        let unique = "CREATE UNIQUE INDEX acceptance_open ON acceptance (cve, scope) WHERE closed_as IS NULL";
        manager.get_connection().execute_unprepared(unique).await?;
        let open =
            "CREATE INDEX acceptance_open_by_scope ON acceptance (scope, until) WHERE closed_as IS NULL";
        manager.get_connection().execute_unprepared(open).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("acceptance").to_owned()).await
    }
}

/// Who is let in, and how each firewall stands.
struct Firewall;

impl MigrationName for Firewall {
    fn name(&self) -> &str {
        "m0005_firewall"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Firewall {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let addresses = table("control_plane_addresses").col(key("id")).col(text("body")).to_owned();
        manager.create_table(addresses).await?;
        let firewall = table("firewall")
            .col(key("server"))
            .col(string("state"))
            .col(text_null("detail"))
            .col(string_null("applied_sha256"))
            .col(string_null("tried_sha256"))
            .col(big_integer("failures"))
            .col(big_integer_null("tried_at"))
            .col(big_integer_null("in_line_since"))
            .col(boolean("asked"))
            .to_owned();
        manager.create_table(firewall).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in ["firewall", "control_plane_addresses"] {
            manager.drop_table(Table::drop().table(name).to_owned()).await?;
        }
        Ok(())
    }
}

/// What differs on hosts, and what was changed there outside of runs.
struct Drift;

impl MigrationName for Drift {
    fn name(&self) -> &str {
        "m0006_drift"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Drift {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drift = table("drift").col(key("server")).col(text("body")).to_owned();
        manager.create_table(drift).await?;
        let outside = table("outside_change")
            .col(big_pk_auto("number"))
            .col(string("server"))
            .col(big_integer("at"))
            .col(text("body"))
            .to_owned();
        manager.create_table(outside).await?;
        let by_server =
            Index::create().name("outside_change_by_server").table("outside_change").col("server").to_owned();
        manager.create_index(by_server).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in ["outside_change", "drift"] {
            manager.drop_table(Table::drop().table(name).to_owned()).await?;
        }
        Ok(())
    }
}

/// Hosts, runs, audit, sign-in, feeds, receipts and snapshots.
struct Foundation;

impl MigrationName for Foundation {
    fn name(&self) -> &str {
        "m0001_foundation"
    }
}

fn table(name: &'static str) -> TableCreateStatement {
    Table::create().table(name).to_owned()
}

fn key(name: &'static str) -> ColumnDef {
    string(name).primary_key().to_owned()
}

#[async_trait::async_trait]
impl MigrationTrait for Foundation {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            table("region")
                .col(key("name"))
                .col(text("ca_certificate"))
                .col(text("ca_key_sealed"))
                .col(text("identity_sealed"))
                .to_owned(),
            table("server")
                .col(key("id"))
                .col(string_uniq("name"))
                .col(string("region"))
                .col(string("provider"))
                .col(string("origin"))
                .col(string("state"))
                .col(string_null("release"))
                .col(string_null("ipv4"))
                .col(string_null("ipv6"))
                .col(string_null("agent_certificate_sha256"))
                .col(text_null("bearer_token_sealed"))
                .col(text_null("baseline"))
                .col(text_null("probes"))
                .col(boolean("in_maintenance"))
                .col(big_integer_null("last_seen_at"))
                .col(text_null("last_fault"))
                .col(string_null("inventory"))
                .col(text_null("exposure"))
                .col(text_null("facts"))
                .col(big_integer("created_at"))
                .to_owned(),
            table("enrolment")
                .col(key("id"))
                .col(string("server"))
                .col(string_uniq("token_sha256"))
                .col(big_integer("expires_at"))
                .col(big_integer_null("used_at"))
                .to_owned(),
            table("inventory")
                .col(key("id"))
                .col(string("server"))
                .col(big_integer("received_at"))
                .col(blob("body_zstd"))
                .to_owned(),
            table("run")
                .col(key("id"))
                .col(string("kind"))
                .col(string("subject"))
                .col(string("status"))
                .col(string("step"))
                .col(string_null("outcome"))
                .col(text("record"))
                .col(big_integer("wake_at"))
                .col(string_null("lease_owner"))
                .col(big_integer_null("lease_until"))
                .col(big_integer("created_at"))
                .to_owned(),
            table("run_journal")
                .col(big_pk_auto("number"))
                .col(string("run"))
                .col(big_integer("at"))
                .col(string("step"))
                .col(string("event"))
                .col(text("detail"))
                .to_owned(),
            table("run_signal")
                .col(big_pk_auto("number"))
                .col(string("run"))
                .col(string("kind"))
                .col(string("actor"))
                .to_owned(),
            table("receipt").col(key("run")).col(text("body")).col(big_integer("at")).to_owned(),
            table("snapshot")
                .col(key("id"))
                .col(string("server"))
                .col(string("name"))
                .col(string_null("run"))
                .col(big_integer("created_at"))
                .col(big_integer("expires_at"))
                .col(big_integer_null("deleted_at"))
                .to_owned(),
            table("audit")
                .col(big_integer("number").primary_key().to_owned())
                .col(string_uniq("id"))
                .col(string_null("once").unique_key().to_owned())
                .col(text("entry"))
                .col(string("action"))
                .col(string("target"))
                .col(big_integer("at"))
                .col(string("previous"))
                .col(string("hash"))
                .to_owned(),
            table("access_token")
                .col(key("token_sha256"))
                .col(string("kind"))
                .col(string("operator"))
                .col(string("form_token"))
                .col(big_integer("created_at"))
                .col(big_integer("expires_at"))
                .col(big_integer_null("used_at"))
                .to_owned(),
            table("feed")
                .col(key("kind"))
                .col(string("source"))
                .col(string_null("as_of"))
                .col(big_integer("records"))
                .col(big_integer_null("last_success_at"))
                .col(big_integer_null("last_attempt_at"))
                .col(text_null("fault"))
                .col(string_null("etag"))
                .col(string_null("last_modified"))
                .to_owned(),
            table("finding_change")
                .col(big_pk_auto("number"))
                .col(string("server"))
                .col(big_integer("at"))
                .col(string("source_package"))
                .col(big_integer("opened"))
                .col(big_integer("closed"))
                .col(text("detail"))
                .to_owned(),
        ];
        for table in tables {
            manager.create_table(table).await?;
        }
        let indexes = [
            ("inventory_by_server", "inventory", &["server", "received_at"][..]),
            ("enrolment_by_server", "enrolment", &["server"]),
            ("run_by_due", "run", &["status", "wake_at"]),
            ("run_by_subject", "run", &["subject", "created_at"]),
            ("run_journal_by_run", "run_journal", &["run", "number"]),
            ("run_signal_by_run", "run_signal", &["run"]),
            ("snapshot_by_server", "snapshot", &["server"]),
            ("audit_by_target", "audit", &["target"]),
            ("finding_change_by_server", "finding_change", &["server", "at"]),
        ];
        for (name, table, columns) in indexes {
            let mut index = Index::create().name(name).table(table).to_owned();
            for column in columns {
                index.col(*column);
            }
            manager.create_index(index).await?;
        }
        // Two open runs would fight over one host. Partial indexes are alike in SQLite
        // and PostgreSQL, but the statement builder has no word for them.
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE UNIQUE INDEX run_open_by_subject ON run (subject) WHERE status <> 'finished'",
            )
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            "finding_change",
            "feed",
            "access_token",
            "audit",
            "snapshot",
            "receipt",
            "run_signal",
            "run_journal",
            "run",
            "inventory",
            "enrolment",
            "server",
            "region",
        ];
        for table in tables {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}
