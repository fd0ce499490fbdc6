"""An upper bound on real features: half of the unseen images stand in for generated ones."""

import torch
from scipy.io import loadmat

from d3wrap.data.scaling import MinMaxScaler
from d3wrap.evaluation import ClassifierSettings, SoftmaxClassifier, evaluate_scores, fit_classifier, predict_scores


def test_a_classifier_with_real_unseen_features_is_good_at_both(data_folder):
    file, split = loadmat(data_folder / "FLO" / "mbv2.mat"), loadmat(data_folder / "FLO" / "att_splits.mat")
    train, seen_rows, unseen_rows = (
        torch.from_numpy(split[name].ravel().astype("int64")) - 1
        for name in ("trainval_loc", "test_seen_loc", "test_unseen_loc")
    )
    labels = torch.from_numpy(file["labels"].ravel().astype("int64")) - 1
    raw = torch.from_numpy(file["features"].T.astype("float32"))
    features = MinMaxScaler.fit(raw[train]).transform(raw)
    stand_in, held_out = unseen_rows[::2], unseen_rows[1::2]
    rows = torch.cat([train, stand_in])

    model = SoftmaxClassifier(features.shape[1], 102)
    settings = ClassifierSettings(epochs=5, lr=3e-3)
    fit_classifier(model, features[rows], labels[rows], rng=torch.Generator().manual_seed(0), settings=settings)
    metrics = evaluate_scores(
        predict_scores(model, features[seen_rows]),
        labels[seen_rows],
        predict_scores(model, features[held_out]),
        labels[held_out],
        seen=labels[train].unique(),
        unseen=labels[unseen_rows].unique(),
    )
    assert metrics.untested == ()
    assert len(metrics.per_class) == 102
    assert min(metrics.U, metrics.S, metrics.T1) > 0.75
    assert metrics.AUROC > 0.97
    assert metrics.AUSUC < metrics.T1
