"""Second factors go with their account in the database as well: the release before, which may run on these tables
after a rollback, does not know of them, and could delete no account that has one."""

from django.db import migrations

REPLACE = """
    DO $$
    DECLARE held record;
    BEGIN
        FOR held IN
            SELECT conrelid::regclass AS relation, conname AS name, pg_get_constraintdef(oid) AS definition
            FROM pg_constraint
            WHERE contype = 'f' AND conrelid IN (
                'otp_totp_totpdevice'::regclass, 'otp_static_staticdevice'::regclass,
                'otp_static_statictoken'::regclass
            )
        LOOP
            EXECUTE format(
                'ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %I %s',
                held.relation, held.name, held.name, replace(held.definition, '{}', '{}')
            );
        END LOOP;
    END $$
"""
PLAIN, CASCADE = " DEFERRABLE", " ON DELETE CASCADE DEFERRABLE"


class Migration(migrations.Migration):
    dependencies = [
        ("predictions", "0011_deletes_cascade"),
        ("otp_static", "0003_add_timestamps"),
        ("otp_totp", "0003_add_timestamps"),
    ]
    operations = [migrations.RunSQL(REPLACE.format(PLAIN, CASCADE), REPLACE.format(CASCADE, PLAIN))]
