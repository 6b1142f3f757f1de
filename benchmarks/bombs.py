# SPDX-License-Identifier: Apache-2.0
"""Files of any format that are made to end whoever opens them: `python -m benchmarks.hostile --files` opens all."""

import io
import zipfile
from collections.abc import Mapping

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_HEADER = b"".join(
    b'<c r="%c1" t="inlineStr"><is><t>%s</t></is></c>' % (65 + place, name)
    for place, name in enumerate((b"USER_ID", b"ITEM_ID", b"TIMESTAMP"))
)
FAR = b"<c r='XFD1048576'><v>1</v></c>"
"""A cell in the last place that a sheet has, as XML may write it."""


def workbook(row: bytes, strings: bytes = b"", more: Mapping[str, bytes] | None = None) -> bytes:
    """Return a workbook with a header and one more row.

    Args:
        row: the row's XML.
        strings: the XML of texts that cells share.
        more: further members of the archive.
    """
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="xml" '
        'ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets><sheet name="S" sheetId="1" '
        'r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" '
        f'Type="{_OFFICE}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": b'<worksheet xmlns="%s" xmlns:x="%s"><sheetData><row r="1">%s</row>%s</sheetData>'
        b"</worksheet>" % (_MAIN.encode(), _MAIN.encode(), _HEADER, row),
        **({"xl/sharedStrings.xml": b'<sst xmlns="%s">%s</sst>' % (_MAIN.encode(), strings)} if strings else {}),
        **(more or {}),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()
