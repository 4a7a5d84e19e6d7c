-- check_rule(thing_template, device_pattern)
-- Purpose: refuses a rule that would name no Thing, one Thing for all devices, or that does not
--          compile. Internal.
-- Returns: nothing; raises 22023.   Calls: nothing.   Tables: none.
CREATE OR REPLACE FUNCTION holdfast.check_rule(thing_template text, device_pattern text)
RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    IF thing_template IS NULL OR strpos(thing_template, '{device}') = 0 THEN
        RAISE EXCEPTION 'thing_template does not hold {device}'
            USING ERRCODE = '22023',
                  DETAIL = format('It is %s: all devices would write to one Thing, or to none.',
                                  coalesce(quote_literal(thing_template), 'null')),
                  HINT = 'Give a template such as {device} or plant1-{device}; bind single devices to a shared Thing with bind_device.';
    END IF;
    IF replace(replace(thing_template, '{device}', ''), '{module}', '') ~ '[{}]' THEN
        RAISE EXCEPTION 'thing_template has braces that mean nothing'
            USING ERRCODE = '22023', DETAIL = format('It is %L.', thing_template),
                  HINT = 'Only {device} and {module} are replaced.';
    END IF;
    IF device_pattern = '' THEN
        RAISE EXCEPTION 'device_pattern is empty'
            USING ERRCODE = '22023', DETAIL = 'An empty pattern matches every device.',
                  HINT = 'Give null for every device, or a regular expression such as ^plant1-.';
    END IF;
    BEGIN
        PERFORM '' ~ device_pattern;
    EXCEPTION WHEN invalid_regular_expression THEN
        RAISE EXCEPTION 'device_pattern is no regular expression'
            USING ERRCODE = '22023', DETAIL = format('%L: %s.', device_pattern, SQLERRM),
                  HINT = 'Give a regular expression as PostgreSQL reads it, such as ^plant1-[0-9]+$.';
    END;
END
$$;
COMMENT ON FUNCTION holdfast.check_rule(text, text) IS
    'Internal: refuses a rule of a fleet that does not name one Thing per device';
