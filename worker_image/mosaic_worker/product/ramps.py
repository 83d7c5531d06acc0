"""The usual colour map and limits of each spectral index, by its topic in the catalogue, with exceptions by name."""

from dataclasses import dataclass

from mosaic_crds.colormaps import Colormap

from mosaic_worker.product.indices import Index


@dataclass(frozen=True)
class Ramp:
    """The colours of a product of one band.

    Attributes:
        colormap: by its matplotlib name.
        limits: the values of the first and the last colour; None if the usual values are not known.
        meaning: what the last colour shows.
    """

    colormap: Colormap
    limits: tuple[float, float] | None
    meaning: str


GREEN = Ramp("RdYlGn", (-0.2, 0.9), "green vegetation")
GREENER = Ramp("RdYlGn", None, "green vegetation")
MOIST = Ramp("RdYlBu", (-0.8, 0.8), "moist leaves and soil")
WATER = Ramp("Blues", (-1.0, 1.0), "water")
WETTER = Ramp("Blues", None, "water")
DRY = Ramp("Blues_r", (-1.0, 1.0), "no water")
SNOW = Ramp("Blues", (-1.0, 1.0), "snow and ice")
SNOWIER = Ramp("Blues", None, "snow and ice")
UNBURNT = Ramp("RdYlGn", (-0.5, 1.0), "unburnt vegetation")
LESS_BURNT = Ramp("RdYlGn", None, "unburnt vegetation")
BURNT = Ramp("YlOrRd", None, "burnt areas")
SOIL = Ramp("YlOrBr", (-0.5, 0.5), "bare soil")
MORE_SOIL = Ramp("YlOrBr", None, "bare soil")
BUILT = Ramp("Reds", (-0.5, 0.5), "built-up areas")
MORE_BUILT = Ramp("Reds", None, "built-up areas")
ALGAE = Ramp("YlGn", None, "chlorophyll in water")
TURBID = Ramp("YlOrBr", None, "turbid water")
BARE_LAND = Ramp("RdYlGn_r", (-0.9, 0.2), "no green vegetation")
PLAIN = Ramp("viridis", None, "the largest values")
"""For products whose values have no common meaning."""
GREY = Ramp("gray", None, "the brightest pixels")
"""For a single band."""

_TOPICS = {
    "vegetation": (GREEN, PLAIN),
    "water": (WATER, WETTER),
    "snow": (SNOW, SNOWIER),
    "burn": (LESS_BURNT, BURNT),
    "urban": (MORE_BUILT, MORE_BUILT),
}
"""For normalised differences of a topic, and for its other indices."""
_NAMES = {
    GREEN: "EVI EVI2 SAVI OSAVI GSAVI GOSAVI MSAVI SARVI ATSAVI TSAVI",
    GREENER: """
        AVI AshburnVI BWDRVI CCI CIG CIRE CVI DVI DVIplus EVIv ExG ExGR FCVI GCC GEMI GLI GM1 GM2 GRVI IPVI IRECI
        IRGBVI MCARI1 MCARI2 MGRVI MNLI MSR MSR705 MTCI MTVI1 MTVI2 NGRDI NIRv NIRvH2 NLI NormG NormNIR OCVI RDVI RGBVI
        RVI RVI4RE SAVI2 SAVI4RE SEVI SLAVI SR SR2 SR3 SR555 SR705 SRVI TDVI TGI TTVI TVI TriVI VARI VARI700 VI700 VIG
        WDRVI WDVI bNIRv mND705 sNIRvLSWI sNIRvNDPI sNIRvNDVILSWIP sNIRvNDVILSWIS sNIRvSWIR
    """,
    MOIST: "GVMI LSWI MLSWI26 MLSWI27 NDII NDMI",
    WATER: "ANDWI",
    DRY: "NDPonI",
    BARE_LAND: "RNDVI",
    ALGAE: "FAI NDCI",
    TURBID: "NDTI",
    UNBURNT: "NBR NDSWIR",
    LESS_BURNT: "CSI CSIT NSTv1 SAVIT",
    BURNT: "NBRplus NBRSWIR",
    SOIL: "BI NDSoI",
    MORE_SOIL: "BaI DBSI EMBI MBI NBLI NBLIOLI NDBaI",
    BUILT: "NDBI UI VgNIRBI VrNIRBI",
    PLAIN: """
        FDI IKAW MRBVI NDDI NDTI4RE NDTillI NDVIMNDWI NDYI NMDI NPCI NRFIg NRFIr NSTv2 OSI PI RI VI6T VIBI
    """,
}
_EXCEPTIONS = {name: ramp for ramp, names in _NAMES.items() for name in names.split()}


def ramp_of(index: Index) -> Ramp:
    """The usual colours of an index."""
    found = _EXCEPTIONS.get(index.name)
    if found is not None:
        return found
    bounded, other = _TOPICS.get(index.domain, (PLAIN, PLAIN))
    return bounded if not index.lacking and index.expression.normalised_difference else other
