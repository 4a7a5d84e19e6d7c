-- check_mapping(rule)
-- Purpose: refuses a mapping rule that could not be carried out, or that says what its action has no
--          use for. Internal.
-- Returns: nothing; raises 22023.   Calls: check_name, base_types.   Tables: none.
CREATE OR REPLACE FUNCTION holdfast.check_mapping(rule holdfast.mapping)
RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    why text;
    what_to_do text := 'See docs/mapping.md for what each action takes.';
BEGIN
    PERFORM holdfast.check_name('mapping', rule.name);
    IF rule.action IS NULL
       OR rule.action NOT IN ('property', 'drop', 'flatten', 'constant', 'opcua') THEN
        why := format('The action is %s.', coalesce(quote_literal(rule.action), 'null'));
        what_to_do := 'It is property, drop, flatten, constant or opcua.';
    ELSIF rule.rank IS NULL THEN
        why := 'The rank is null.';
        what_to_do := 'Give a number; 0 is the default.';
    ELSIF rule.action IN ('property', 'drop', 'flatten')
          AND (rule.pointer IS NULL OR rule.pointer !~ '^(/([^~]|~[01])*)?$') THEN
        why := format('The pointer is %s.', coalesce(quote_literal(rule.pointer), 'null'));
        what_to_do := 'Give a JSON pointer such as /engine/rpm; in a name ~ is ~0, and / is ~1.';
    ELSIF length(rule.pointer) > 1024 OR length(rule.property) > 256 OR length(rule.thing) > 256
          OR length(rule.separator) > 16 OR length(rule.value::text) > 65536 THEN
        why := 'A text is too long.';
        what_to_do := 'A pointer has at most 1024 characters, a property or Thing 256, a separator 16, a value 65536.';
    ELSIF rule.base_type <> ALL (holdfast.base_types()) THEN
        why := format('There is no base type %L.', rule.base_type);
        what_to_do := 'The base types are: ' || array_to_string(holdfast.base_types(), ', ') || '.';
    ELSIF rule.action IN ('property', 'constant')
          AND (rule.property = '' OR rule.property <> btrim(rule.property)
               OR rule.property ~ '[[:cntrl:]]') THEN
        why := 'The name of the property is empty, or has blanks around it or control characters in it.';
        what_to_do := 'Give the name as ThingWorx has it.';
    ELSIF rule.property IS NULL
          AND (rule.action = 'constant' OR (rule.action = 'property' AND rule.pointer = '')) THEN
        why := 'It names no property.';
        what_to_do := 'Give property => ''name''.';
    ELSIF rule.action = 'constant' AND coalesce(jsonb_typeof(rule.value), 'null') = 'null' THEN
        why := 'It has no value.';
        what_to_do := 'Give value => ''42'', or ''"a text"'', or any other JSON value but null.';
    ELSIF (rule.action IN ('constant', 'opcua') AND rule.pointer IS NOT NULL)
          OR (rule.action <> 'constant' AND rule.value IS NOT NULL)
          OR (rule.action IN ('drop', 'flatten') AND rule.base_type IS NOT NULL)
          OR (rule.action = 'drop' AND rule.property IS NOT NULL)
          OR (rule.action <> 'flatten' AND rule.separator IS NOT NULL)
          OR (rule.action <> 'opcua'
              AND num_nonnulls(rule.thing, rule.writers, rule.nodes) > 0) THEN
        why := format('The action %s has no use for one of the arguments that were given.', rule.action);
    ELSIF rule.with_property = '' OR (rule.with_value IS NOT NULL AND rule.with_property IS NULL) THEN
        why := 'with_value says what a property of the message must be like, but with_property names none.';
        what_to_do := 'Give with_property too.';
    ELSIF rule.action = 'opcua'
          AND (rule.thing = '' OR rule.property = ''
               OR regexp_replace(coalesce(rule.thing, '') || coalesce(rule.property, ''),
                      '\{(thing|device|module|publisher|writer|group|endpoint|field|node)\}', '', 'g')
                  ~ '[{}[:cntrl:]]') THEN
        why := format('A template is empty or has braces that mean nothing: thing %s, property %s.',
                      coalesce(quote_literal(rule.thing), 'null'),
                      coalesce(quote_literal(rule.property), 'null'));
        what_to_do := 'Replaced are {thing}, {device}, {module}, {publisher}, {writer}, {group}, {endpoint}, {field} and {node}.';
    ELSE
        RETURN;
    END IF;
    RAISE EXCEPTION 'the mapping rule % cannot be used', quote_literal(rule.name)
        USING ERRCODE = '22023', DETAIL = why, HINT = what_to_do;
END
$$;
COMMENT ON FUNCTION holdfast.check_mapping(holdfast.mapping) IS
    'Internal: refuses a mapping rule that could not be carried out';
