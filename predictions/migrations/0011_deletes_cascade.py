"""Second opinions and lessons go with their drawing in the database as well: the release before, which may run on
these tables after a rollback, does not know of them, and could delete no drawing that has one."""

from django.db import migrations

SET = """
    DO $$
    DECLARE held record;
    BEGIN
        FOR held IN
            SELECT conrelid::regclass AS relation, conname AS name FROM pg_constraint
            WHERE contype = 'f' AND confrelid = 'predictions_prediction'::regclass
                AND conrelid IN ('predictions_secondopinion'::regclass, 'predictions_lesson'::regclass)
        LOOP
            EXECUTE format(
                'ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %I FOREIGN KEY (prediction_id)'
                ' REFERENCES predictions_prediction {} DEFERRABLE INITIALLY DEFERRED',
                held.relation, held.name, held.name
            );
        END LOOP;
    END $$
"""


class Migration(migrations.Migration):
    dependencies = [("predictions", "0010_api_keys")]
    operations = [migrations.RunSQL(SET.format("ON DELETE CASCADE"), SET.format(""))]
