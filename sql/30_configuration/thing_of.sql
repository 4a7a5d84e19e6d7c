-- thing_of(template, device, module)
-- Purpose: the name of the Thing that a fleet's rule gives to a device. Internal.
--          {device} and {module} are replaced. A module whose template does not name {module} gets
--          ':' and its name appended, so that it never shares the Thing of its device.
-- Returns: the name.   Calls: nothing.   Tables: none.
-- Without SET, so that it is inlined where it is called per row: its names were resolved when it was made. The
-- template is split at {module} first: a device that is named '{module}' stays what it is.
CREATE OR REPLACE FUNCTION holdfast.thing_of(template text, device text, module text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pg_catalog.array_to_string(
               ARRAY(SELECT pg_catalog.replace(piece.text, '{device}', device)
                       FROM pg_catalog.unnest(pg_catalog.string_to_array(template, '{module}'))
                            WITH ORDINALITY AS piece (text, place)
                      ORDER BY piece.place),
               module)
           || CASE WHEN module OPERATOR(pg_catalog.=) ''
                        OR pg_catalog.strpos(template, '{module}') OPERATOR(pg_catalog.>) 0
                   THEN '' ELSE ':' OPERATOR(pg_catalog.||) module END;
COMMENT ON FUNCTION holdfast.thing_of(text, text, text) IS
    'Internal: the name of the Thing that a fleet''s rule gives to a device';
