"""The tables of SuiteQL and their columns (N 3.4), declared once for making, filling and checking them."""

from __future__ import annotations

from tiktok_ns_pipeline.sandbox.books.catalogue import Kind, catalogue

# Columns by table: name and kind. `key` is the primary key, `>x` refers to a record of type x.
_COLUMNS = {
    "transaction": """id key; tranid text; transactionnumber text; type text; recordtype text; status >status;
        trandate date; createddate date; lastmodifieddate date; entity >customer; externalid text;
        otherrefnum text; memo text; currency >currency; exchangerate number; foreigntotal number;
        total number; posting flag; postingperiod >accountingPeriod; approvalstatus number;
        subsidiary >subsidiary; shipmethod >shipItem; shipcarrier text; shippingaddress number;
        duedate date; voided flag; location >location; department >department; class >classification;
        customform >customForm""",
    "transactionline": """transaction >transaction; id number; uniquekey number; linesequencenumber number;
        linelastmodifieddate date; mainline flag; taxline flag; iscogs flag; item >item; itemtype text;
        quantity number; quantitybilled number; quantityshiprecv number; quantitycommitted number;
        quantitybackordered number; quantitypicked number; quantitypacked number; rate number;
        foreignamount number; netamount number; debitforeignamount number; creditforeignamount number;
        location >location; subsidiary >subsidiary; department >department; class >classification;
        entity >customer; memo text; isclosed flag; isfullyshipped flag; createdfrom >transaction;
        expenseaccount >account; transactionlinetype text; price >priceLevel; units text;
        donotdisplayline flag; kitcomponent flag; kitmemberof number; isinventoryaffecting flag""",
    "transactionaccountingline": """transaction >transaction; transactionline number; account >account;
        accountingbook number; amount number; debit number; credit number; netamount number;
        exchangerate number; posting flag; amountpaid number; amountunpaid number""",
    "previoustransactionlinelink": """previousdoc >transaction; previousline number; previoustype text;
        nextdoc >transaction; nextline number; nexttype text; linktype text; foreignamount number;
        lastmodifieddate date""",
    "trackingnumber": "id key; trackingnumber text",
    "trackingnumbermap": "transaction >transaction; trackingnumber number",
    "itemfulfillmentpackage": """itemfulfillment >transaction; packagetrackingnumber text;
        packageweight number; packagedescr text""",
    "transactionshippingaddress": """nkey key; addressee text; addr1 text; addr2 text; addr3 text;
        city text; state text; zip text; country text""",
    "item": """id key; itemid text; externalid text; displayname text; fullname text; itemtype text;
        upccode text; isinactive flag; lastmodifieddate date; createddate date; class >classification;
        department >department; location >location; subsidiary text; unitstype >unitsType; saleunit text;
        stockunit text; totalquantityonhand number; averagecost number; cost number; weight number;
        parent >item; matrixtype text; description text""",
    "inventoryitemlocations": """item >item; location >location; quantityonhand number;
        quantityavailable number; quantitycommitted number; quantitybackordered number;
        quantityonorder number; quantityintransit number; reorderpoint number; preferredstocklevel number""",
    "itemmember": """parentitem >item; item >item; quantity number; linenumber number; memberunit text;
        itemsource text; effectivedate date; obsoletedate date""",
    "customer": """id key; entityid text; externalid text; companyname text; firstname text; lastname text;
        altname text; isperson flag; email text; phone text; parent >customer; currency >currency;
        receivablesaccount >account; subsidiary >subsidiary; isinactive flag; lastmodifieddate date;
        datecreated date""",
    "account": """id key; acctnumber text; accttype text; fullname text; accountsearchdisplayname text;
        accountsearchdisplaynamecopy text; externalid text; currency >currency; isinactive flag;
        issummary flag; eliminate flag; parent >account; subsidiary text""",
    "location": """id key; name text; fullname text; externalid text; parent >location; subsidiary text;
        isinactive flag; makeinventoryavailable flag; lastmodifieddate date""",
    "subsidiary": """id key; name text; fullname text; legalname text; currency >currency; country text;
        parent >subsidiary; iselimination flag; isinactive flag; externalid text""",
    "currency": """id key; symbol text; name text; exchangerate number; isbasecurrency flag;
        currencyprecision number; isinactive flag""",
    "accountingperiod": """id key; periodname text; startdate date; enddate date; closed flag;
        alllocked flag; arlocked flag; aplocked flag; isquarter flag; isyear flag; isadjust flag;
        isposting flag""",
    "department": "id key; name text; fullname text; isinactive flag; externalid text",
    "classification": "id key; name text; fullname text; isinactive flag; externalid text",
    "salestaxitem": "id key; itemid text; rate number; taxtype >taxType; isinactive flag",
    "shipitem": "id key; itemid text; isinactive flag",
    "pricelevel": "id key; name text; isinactive flag",
    "unitstype": "id key; name text; isinactive flag",
    "dual": "dummy text",
}
# The same rows under the names of the other direction, of the header level and of kits alone.
_VIEWS = {
    "kititemmember": ("itemmember", "SELECT * FROM"),
    "nexttransactionlinelink": ("previoustransactionlinelink", "SELECT * FROM"),
    "previoustransactionlink": (
        "previoustransactionlinelink",
        "SELECT DISTINCT previousdoc, previoustype, nextdoc, nexttype, linktype FROM",
    ),
    "nexttransactionlink": (
        "previoustransactionlinelink",
        "SELECT DISTINCT previousdoc, previoustype, nextdoc, nexttype, linktype FROM",
    ),
}
_CUSTOM_PREFIX = {"transaction": "custbody", "transactionline": "custcol", "customer": "custentity"}
_SQL_TYPES = {"key": "INTEGER PRIMARY KEY", "number": "NUMERIC", ">status": "TEXT"}
_INDEXES = """
CREATE INDEX lines_by_transaction ON `transactionline` (`transaction`);
CREATE INDEX lines_by_origin ON `transactionline` (`createdfrom`);
CREATE INDEX accounting_by_transaction ON `transactionaccountingline` (`transaction`);
CREATE INDEX accounting_by_account ON `transactionaccountingline` (`account`);
CREATE INDEX links_by_next ON `previoustransactionlinelink` (`nextdoc`);
CREATE INDEX links_by_previous ON `previoustransactionlinelink` (`previousdoc`);
CREATE INDEX tracking_by_transaction ON `trackingnumbermap` (`transaction`);
CREATE INDEX packages_by_transaction ON `itemfulfillmentpackage` (`itemfulfillment`);
CREATE INDEX members_by_kit ON `itemmember` (`parentitem`);
CREATE INDEX lines_by_item ON `transactionline` (`item`);
CREATE UNIQUE INDEX stock_by_item ON `inventoryitemlocations` (`item`, `location`);
CREATE INDEX transactions_by_external_id ON `transaction` (`externalid`);
CREATE INDEX transactions_by_change ON `transaction` (`lastmodifieddate`);
CREATE TABLE ns_names (kind TEXT, id TEXT, name TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID;
"""


def column_kinds() -> dict[str, dict[str, str]]:
    """Kind of every column by table and name, views and custom fields included."""
    kinds = {table: dict(part.split() for part in text.split(";")) for table, text in _COLUMNS.items()}
    for table, prefix in _CUSTOM_PREFIX.items():
        for custom in catalogue().custom(prefix):
            kinds[table][custom.name] = "number" if custom.kind is Kind.number else "text"
    for view, (table, select) in _VIEWS.items():
        names = (
            kinds[table]
            if "*" in select
            else ("previousdoc", "previoustype", "nextdoc", "nexttype", "linktype")
        )
        kinds[view] = {name: kinds[table][name] for name in names}
    return kinds


def table_statements() -> list[str]:
    """The statements that make all tables, views and indexes."""
    kinds = column_kinds()
    statements: list[str] = []
    for table in _COLUMNS:
        columns = ", ".join(f"`{name}` {_sql_type(kind)}" for name, kind in kinds[table].items())
        statements.append(f"CREATE TABLE `{table}` ({columns})")
    for view, (table, select) in _VIEWS.items():
        statements.append(f"CREATE VIEW `{view}` AS {select} `{table}`")
    return [*statements, *filter(None, _INDEXES.strip().split(";\n"))]


def _sql_type(kind: str) -> str:
    return _SQL_TYPES.get(kind) or ("INTEGER" if kind.startswith(">") else "TEXT")
