-- base_types()
-- Purpose: the base types of ThingWorx that a mapping rule may name. Internal; src/core/base_type.c
--          has the same list, and a test compares them.
-- Returns: their names.   Calls: nothing.   Tables: none.
CREATE OR REPLACE FUNCTION holdfast.base_types()
RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
    SELECT ARRAY['NUMBER', 'BOOLEAN', 'LONG', 'STRING', 'JSON', 'INTEGER', 'DATETIME', 'LOCATION',
                 'INFOTABLE', 'QUERY', 'VARIANT', 'TIMESPAN', 'TEXT', 'HTML', 'XML', 'HYPERLINK',
                 'IMAGELINK', 'IMAGE', 'BLOB', 'PASSWORD', 'GUID', 'TAGS', 'SCHEDULE', 'THINGNAME',
                 'THINGSHAPENAME', 'THINGTEMPLATENAME', 'DATASHAPENAME', 'MASHUPNAME', 'MENUNAME',
                 'BASETYPENAME', 'USERNAME', 'GROUPNAME', 'PROPERTYNAME', 'SERVICENAME', 'EVENTNAME']
$$;
COMMENT ON FUNCTION holdfast.base_types() IS
    'Internal: the base types of ThingWorx that a mapping rule may name';
