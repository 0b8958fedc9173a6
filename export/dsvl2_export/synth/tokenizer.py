"""A real byte-level BPE for synthetic checkpoints, trained here on a few lines, with the eleven added tokens."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from dsvl2_export.checkpoint.json_files import write_json
from dsvl2_export.checkpoint.tokenizer import TOKENIZER, TOKENIZER_CONFIG, added_token
from dsvl2_runtime.config import LanguageConfig
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.inputs.tokenizer import BOS, EOS, PAD, SPECIAL_TOKENS

LARGEST_VOCABULARY = 2000
"""Entries beside the added tokens; a larger embedding table simply has rows that no text uses."""

LINES = (
    "What is the total? The total is 42.50 and the tax is 3.40.",
    "Invoice number 2041, date 2024-05-17, due in 30 days, amount $1,284.00.",
    "Receipt: coffee 3.20, bread 4.10, cheese 7.85, subtotal 15.15, total 16.36.",
    "Which button is highlighted? Save, Cancel, Apply, Settings, Network, Display.",
    "The quick brown fox jumps over the lazy dog and reads the label on the box.",
    "Name, address, phone, e-mail, customer, balance, payment, account, order, page.",
    "这张图片里写的是什么? 总金额是多少? 日期, 姓名, 地址, 电话, 发票, 收据。",
    "Wo steht die Rechnungsnummer? Où se trouve le montant total? ¿Cuál es la fecha?",
)


def write_tokenizer(folder: Path, config: LanguageConfig) -> None:
    """Write `tokenizer.json`, `tokenizer_config.json` and `special_tokens_map.json`.

    The beginning and end tokens get the ids that the configuration names; the other nine follow the larger of the
    vocabulary and those two.

    Raises:
        UsageError: the embedding table has too few rows for bytes and added tokens.
    """
    leading = {BOS: config.bos_token_id, EOS: config.eos_token_id}
    at_front = max(leading.values()) < len(leading)  # Tiny and Base put them at 0 and 1, Small after the vocabulary
    room = config.vocab_size - len(SPECIAL_TOKENS) if at_front else min(leading.values())
    size = min(LARGEST_VOCABULARY, room)
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if size < len(alphabet):
        raise UsageError(f"vocab_size {config.vocab_size} has no room for {len(alphabet)} bytes and the added tokens")
    trainer = trainers.BpeTrainer(
        vocab_size=size - (len(leading) if at_front else 0), initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(LINES, trainer)
    document = json.loads(bpe.to_str())
    vocabulary: dict[str, int] = document["model"]["vocab"]
    # Ids must have no gaps: the library numbers added tokens on from the vocabulary, whatever the file says.
    if at_front:
        vocabulary = leading | {piece: index + len(leading) for piece, index in vocabulary.items()}
    else:
        vocabulary |= {f"<|unused{index}|>": index for index in range(len(vocabulary), min(leading.values()))}
    document["model"]["vocab"] = vocabulary
    following = max(*vocabulary.values(), *leading.values()) + 1
    others = [name for name in SPECIAL_TOKENS if name not in leading]
    ids = leading | {name: following + index for index, name in enumerate(others)}
    document["added_tokens"] = [added_token(name, ids[name]) for name in sorted(ids, key=lambda name: ids[name])]
    write_json(folder / TOKENIZER, document)
    named = {"bos_token": BOS, "eos_token": EOS, "pad_token": PAD}
    about = {"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": True, "add_eos_token": False}
    write_json(folder / TOKENIZER_CONFIG, about | named)
    write_json(folder / "special_tokens_map.json", named)
