"""`python -m tools.release.olm.check`: whether the bundle for OLM names one version and all images."""

import sys
from collections.abc import Iterator, Sequence

import yaml

from cachemon import __version__
from lab.repository import REPOSITORY
from tools.release.chart_archive import UNPUBLISHED
from tools.release.olm.bundle import bundle_files
from tools.release.olm.service_version import Images, Object, csv_name
from tools.release.versions import dated_sections

_CSV = "bundle/manifests/cachemon.clusterserviceversion.yaml"


def bundle_problems(csv: Object, version: str, released: Sequence[str]) -> Iterator[str]:
    """What is wrong with the ClusterServiceVersion of a release, a line each.

    Args:
        csv: to check.
        version: that is to be released.
        released: the versions before it, the newest first.
    """
    spec = csv["spec"]
    named = (csv["metadata"]["name"], spec["version"], spec.get("replaces", ""))
    wanted = (csv_name(version), version, csv_name(released[0]) if released else "")
    for place, found, right in zip(("metadata.name", "spec.version", "spec.replaces"), named, wanted, strict=True):
        if found != right:
            yield f"{_CSV}: {place} is {found!r}, not {right!r}"
    related = [it["image"] for it in spec["relatedImages"]]
    for image in related:
        if not image.endswith(f":{version}") and "@sha256:" not in image:
            yield f"{_CSV}: relatedImages has {image}, neither of version {version} nor named by a digest"
    pods = [it["spec"]["template"]["spec"] for it in spec["install"]["spec"]["deployments"]]
    started = [container["image"] for pod in pods for container in pod["containers"]]
    for image in sorted({csv["metadata"]["annotations"]["containerImage"], *started} - {*related}):
        yield f"{_CSV}: relatedImages lacks {image}"


def check_bundle() -> list[str]:
    """What is wrong with the bundle of this checkout, a line each."""
    files = bundle_files(Images(UNPUBLISHED, __version__))
    dates = dated_sections((REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"))
    released = [version for version, date in dates.items() if date and version != __version__]
    return list(bundle_problems(yaml.safe_load(files[_CSV]), __version__, released))


if __name__ == "__main__":
    problems = check_bundle()
    print("\n".join(problems) or "the bundle for OLM names this version")
    sys.exit(1 if problems else 0)
