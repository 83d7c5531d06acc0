"""Notes on what the masks of scenes lack, and on what the request decides about them."""

from collections.abc import Sequence

from mosaic_crds.composite import Composite
from mosaic_crds.spelling import counted

from mosaic_worker.sources.masks import LEGENDS, classes_of
from mosaic_worker.sources.scenes import Detection, Mask


def mask_warnings(masks: Sequence[Mask | Detection], composite: Composite) -> list[str]:
    """Warnings on what masks lack or leave to the request.

    Args:
        masks: those of all scenes.
        composite: has the classes to mask.
    """
    found = []
    classes = composite.mask
    kinds = [mask.values for mask in masks if isinstance(mask, Mask)]
    single = sum(classes_of(kind) is None for kind in kinds)
    if single and classes:
        found.append(
            f"the masks of {counted(single, 'scene')} have no classes: everything that they flag is masked, "
            f"whether it is {' or '.join(classes)} or not"
        )
    if probable := kinds.count("probability"):
        found.append(
            f"the masks of {counted(probable, 'scene')} are probabilities: cloud is where they are above "
            f"{composite.above:g} %"
        )
    detections = [mask for mask in masks if isinstance(mask, Detection)]
    if detections:
        found.append(
            f"{composite.detect} detects the clouds of {counted(len(detections), 'scene')} without a mask: cloud is "
            f"where its probability is above {composite.above:g} %"
        )
    if unstated := sum(not detection.stated for detection in detections):
        found.append(
            f"{composite.detect} needs top-of-atmosphere reflectances (Level-1C), which {counted(unstated, 'scene')} "
            "without a stated level must have"
        )
    for kind, legend in LEGENDS.items():
        if kind in kinds and legend.caveat and (legend.caveat_class is None or legend.caveat_class in classes):
            found.append(f"the masks of {counted(kinds.count(kind), 'scene')} are {legend.caveat}")
    return found
