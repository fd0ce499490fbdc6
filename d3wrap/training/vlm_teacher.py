"""A vision–language model as the teacher: its image features, and the text features of the seen classes as logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d3wrap.batch import Embedded
from d3wrap.data import GZSLDataset
from d3wrap.errors import ShapeError
from d3wrap.ridge import ridge
from d3wrap.settings import D3Settings


class VLMTeacher(nn.Module):
    """A vision–language teacher for features: u = (xW + b) / ‖xW + b‖ stands for its image feature of x.

    W and b are fitted, because a generated feature has no image to look at. The logits are u · t_c / τ for the text
    features t_c of the seen classes (Li et al., ICCV 2023). The embedding is [ReLU(p), ReLU(−p)] with p the first
    principal components of u: not negative, as the student's is, so that cosines of the two can reach 1.

    Shapes: features ``[n, d]`` → embedding ``[n, e]`` and logits ``[n, |Y_s|]``. Nothing in it is learned further.
    """

    weight: Tensor
    bias: Tensor
    centre: Tensor
    basis: Tensor
    text: Tensor

    def __init__(self, feature_dim: int, width: int, embedding_dim: int, num_seen: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.odd = embedding_dim % 2
        shapes = {
            "weight": (feature_dim, width),
            "bias": (width,),
            "centre": (width,),
            "basis": (width, embedding_dim // 2),
            "text": (num_seen, width),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))

    def image_features(self, features: Tensor) -> Tensor:
        """Return u, ``[n, d]`` → ``[n, width]``, of unit norm."""
        return F.normalize(features @ self.weight + self.bias, dim=1)

    def forward(self, features: Tensor) -> Embedded:
        """Return embedding and logits of ``features``."""
        image = self.image_features(features)
        components = (image - self.centre) @ self.basis
        embedding = torch.cat([F.relu(components), F.relu(-components)], 1)
        return Embedded(F.pad(embedding, (0, self.odd)), image @ self.text.T / self.temperature)


def new_vlm_teacher(dataset: GZSLDataset, source: GZSLDataset, settings: D3Settings) -> VLMTeacher:
    """Return a teacher that fits the dataset, with zeros in it; see :func:`fit_vlm_teacher`."""
    width = _own(source)[:1].shape[1]
    teacher = VLMTeacher(
        dataset.feature_dim, width, settings.embedding_dim, len(dataset.seen), settings.teacher_temperature
    )
    return teacher.to(dataset.features)


def fit_vlm_teacher(dataset: GZSLDataset, source: GZSLDataset, settings: D3Settings) -> VLMTeacher:
    """Fit a vision–language teacher on training rows.

    ``dataset`` is in the space of the classifier, ``source`` as it was loaded: the teacher's image features are its
    ``teacher_features``, else its features as they were before scaling. The text features are its ``text_features``,
    else a map from the semantics of the seen classes to the means of their image features, of unit length. Rows and
    classes that are not trained on take no part. Raises :class:`~d3wrap.errors.ShapeError` for text features of another
    width.
    """
    teacher = new_vlm_teacher(dataset, source, settings)
    wanted = _own(source)[source.train].to(dataset.features)
    teacher.weight, teacher.bias = ridge(dataset.train_features, wanted)
    image = teacher.image_features(dataset.train_features)
    teacher.centre = image.mean(0)
    teacher.basis = _components(image - teacher.centre, teacher.basis.shape[1])
    teacher.text = _text(source, F.normalize(wanted, dim=1))
    return teacher.eval()


def _own(source: GZSLDataset) -> Tensor:
    """Return the teacher's image features of all rows."""
    if source.teacher_features is not None:
        return source.teacher_features
    return source.features if source.scaler is None else source.scaler.inverse(source.features)


def _components(centred: Tensor, count: int) -> Tensor:
    """Return the first ``count`` principal directions as columns ``[e, count]``, zeros where there are fewer."""
    rows = centred.double()
    _, vectors = torch.linalg.eigh(rows.T @ rows)
    found = vectors.flip(1)[:, :count]
    # The sign of an eigenvector is the machine's; the largest entry decides here.
    largest = found.gather(0, found.abs().argmax(0, keepdim=True))
    return F.pad(found * largest.sign(), (0, count - found.shape[1])).to(centred)


def _text(source: GZSLDataset, image: Tensor) -> Tensor:
    """Return text features of the seen classes ``[|Y_s|, e]``, of unit norm."""
    if source.text_features is None:
        labels = torch.searchsorted(source.seen, source.train_labels)
        sums = image.new_zeros(len(source.seen), image.shape[1]).index_add_(0, labels, image)
        semantics = source.semantics[source.seen].to(image)
        text = ridge(semantics, F.normalize(sums, dim=1))(semantics)
    else:
        text = source.text_features[source.seen].to(image)
        if text.shape[1] != image.shape[1]:
            raise ShapeError(
                f"dataset {source.name}: text_features are {text.shape[1]} wide, and the teacher's image features "
                f"{image.shape[1]}: give those of one model"
            )
    return F.normalize(text, dim=1)
