"""Answers of the reference network in PyTorch, for comparing what a bundle lost."""

from __future__ import annotations

from pathlib import Path

import torch

from dsvl2_demo.evaluation.evaluate import LONGEST_ANSWER, Answerer
from dsvl2_demo.evaluation.held_out import Case
from dsvl2_export.checkpoint.checkpoint import Checkpoint, load_network
from dsvl2_runtime.inputs.processor import prepare_inputs
from dsvl2_runtime.inputs.prompt import Message, question_content
from dsvl2_runtime.inputs.tokenizer import Tokenizer


def network_answerer(checkpoint: Path) -> Answerer:
    """Greedy answers of a checkpoint in fp32.

    Raises:
        ModelNotFoundError, ModelCorruptError: the checkpoint is incomplete or not what it declares.
    """
    opened = Checkpoint.open(checkpoint)
    network = load_network(opened)
    tokenizer = Tokenizer.from_file(opened.tokenizer_path)

    @torch.no_grad()
    def answer(case: Case) -> str:
        messages = [Message("user", question_content(case.question, len(case.images)))]
        inputs = prepare_inputs(messages, list(case.images), opened.config, tokenizer)
        tilings = [(tiling.tiles_wide, tiling.tiles_high) for tiling in inputs.tilings]
        features = network.image_features(torch.from_numpy(inputs.pixel_values), tilings)
        mask = torch.from_numpy(inputs.images_seq_mask)[None]
        embeds = network.embed(torch.from_numpy(inputs.input_ids)[None], mask, features)
        past, ids = None, []
        for _ in range(LONGEST_ANSWER):
            logits, output = network.language(embeds, past)
            past = output.rows
            token_id = int(logits[0, -1].argmax())
            if token_id == tokenizer.eos_id:
                break
            ids.append(token_id)
            embeds = network.embed(torch.tensor([[token_id]]), None, None)
        return tokenizer.decode(ids)

    return answer
