-- check_rule(thing_template, device_pattern)
-- Purpose: refuses a rule that would name no Thing, one Thing for all devices, or that does not
--          compile. Internal.
-- Returns: nothing; raises 22023.   Calls: check_length.   Tables: none.
CREATE OR REPLACE FUNCTION holdfast.check_rule(thing_template text, device_pattern text)
RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM holdfast.check_length('thing_template', thing_template, 256);
    PERFORM holdfast.check_length('device_pattern', device_pattern, 1024);
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
    IF array_length(string_to_array(thing_template, '{device}'), 1) > 3
       OR array_length(string_to_array(thing_template, '{module}'), 1) > 3 THEN
        RAISE EXCEPTION 'thing_template names a part more than twice'
            USING ERRCODE = '22023', DETAIL = format('It is %L: names of Things would grow beyond what an index takes.', thing_template),
                  HINT = 'Name {device} and {module} twice at most.';
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
