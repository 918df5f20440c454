"""XMP sidecars."""

from blur_fusion.actions.xmp import DC, RDF, RED, WORDS, Marks

# Sidecars as other programs write them, shortened
LIGHTROOM = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 7.0-c000">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
    xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"
   xmp:Rating="3" xmp:Label="Gr&#252;n &gt; &quot;" crs:Exposure2012='+0.50 > "x"'>
   <dc:subject>
    <rdf:Bag>
     <rdf:li>Anna &amp; Otto</rdf:li>
    </rdf:Bag>
   </dc:subject>
   <lr:hierarchicalSubject><rdf:Bag/></lr:hierarchicalSubject>
   <!-- kept --><crs:ToneCurve><rdf:Seq><rdf:li>0, 0</rdf:li></rdf:Seq></crs:ToneCurve>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""
DARKTABLE = b"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:darktable="http://darktable.sf.net/"
   xmlns:dc="http://purl.org/dc/elements/1.1/" darktable:xmp_version="5">
   <darktable:colorlabels><rdf:Seq><rdf:li>3</rdf:li></rdf:Seq></darktable:colorlabels>
   <dc:creator><rdf:Seq><rdf:li>\xc3\x84nne</rdf:li></rdf:Seq></dc:creator>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""
DIGIKAM_FILE = b"""\xef\xbb\xbf<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:digiKam="http://www.digikam.org/ns/1.0/"><digiKam:TagsList><rdf:Seq>
<rdf:li>Places/Rome</rdf:li></rdf:Seq></digiKam:TagsList></rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


def wrapped(inner: str) -> bytes:
    """A packet with `inner` in its description."""
    return (
        f'<r:RDF xmlns:r="{RDF}" xmlns:dc="{DC}"><r:Description r:about="">{inner}'
        "</r:Description></r:RDF>"
    ).encode()


def tags(kind: str | None, probability: float | None) -> Marks:
    words = tuple(word for word in WORDS if word in ("blurred", kind))
    return Marks(words, RED, probability=probability)
