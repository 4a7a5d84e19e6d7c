-- set_setting(name, value)
-- Purpose: changes a cluster-wide setting; running nodes see it without a restart.
-- Parameters: name, value: see the view settings.
-- Returns: nothing.   Errors: 22023 no such setting, or the value does not fit it.
-- Calls: bump, add_event.   Tables: setting (update).
CREATE OR REPLACE FUNCTION holdfast.set_setting(name text, value text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_setting setting;
    v_fits    boolean;
BEGIN
    SELECT s.* INTO v_setting FROM setting s WHERE s.name = $1;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('There is no setting "%s"', $1),
            DETAIL = (SELECT 'Settings are ' || string_agg(s.name, ', ' ORDER BY s.name) || '.' FROM setting s),
            HINT = 'SELECT * FROM holdfast.settings explains them.';
    END IF;
    BEGIN
        v_fits := CASE v_setting.kind
                  WHEN 'integer' THEN $2::bigint BETWEEN v_setting.lowest AND v_setting.highest
                  WHEN 'choice' THEN $2 = ANY (v_setting.choices)
                  -- The calendar of the server begins 4713 BC.
                  ELSE $2::interval > interval '0' AND $2::interval <= interval '6000 years' END;
    EXCEPTION WHEN data_exception THEN
        v_fits := false;
    END;
    IF v_fits IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('"%s" is not a value for the setting "%s"', $2, $1),
            DETAIL = CASE v_setting.kind
                     WHEN 'integer' THEN format('It takes a whole number from %s to %s.', v_setting.lowest, v_setting.highest)
                     WHEN 'choice' THEN format('It takes %s.', array_to_string(v_setting.choices, ' or '))
                     ELSE 'It takes a time span greater than nothing and up to 6,000 years, such as ''90 days''.' END,
            HINT = v_setting.description || '.';
    END IF;
    UPDATE setting s
       SET value = $2, updated_at = clock_timestamp()
     WHERE s.name = $1 AND s.value <> $2;
    IF FOUND THEN
        PERFORM bump('config');
        PERFORM add_event('config', NULL, format('setting %s', $1), 'An administrator changed a setting',
                          format('From %s to %s.', v_setting.value, $2));
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.set_setting(text, text) IS 'Changes a cluster-wide setting';
