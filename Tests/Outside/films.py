"""Real DICOM headers: the files that pydicom carries, as DICOM JSON Model (PS3.18 annex F)."""

import functools
import json
import pathlib

import pydicom
import pydicom.data


@functools.cache
def datasets():
    """Every bundled file with the identity of an image, header only, one a SOP Instance UID."""
    folder = pathlib.Path(pydicom.data.__file__).parent / "test_files"
    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name == "DICOMDIR":
            continue
        try:  # some of the files are broken on purpose; those are not images
            dataset = pydicom.dcmread(path, stop_before_pixels=True)
        except Exception:
            continue
        uid = str(dataset.get("SOPInstanceUID", "") or "")
        if uid and dataset.get("StudyInstanceUID"):
            found.setdefault(uid, (path, dataset))
    return found


def dicom_json(dataset):
    """The header as DICOM JSON, without bulk data (pixels, overlays, private blobs)."""
    def small(element):
        return not element.is_private and element.VR not in ("OB", "OW", "OF", "OD", "UN", "SQ")

    kept = pydicom.Dataset({e.tag: e for e in dataset if small(e)})
    return json.dumps(kept.to_json_dict(suppress_invalid_tags=True))


def study_of_two():
    """Two images of one real study with acquisition dates."""
    studies = {}
    for uid, (path, dataset) in datasets().items():
        if dataset.get("Modality") in ("CR", "DX", "CT") and dataset.get("StudyDate"):
            studies.setdefault(dataset.StudyInstanceUID, []).append((uid, dataset))
    return next(images[:2] for _, images in sorted(studies.items()) if len(images) >= 2)
