# SPDX-License-Identifier: Apache-2.0
"""The column of a file of users that says who objects to personal lists. It is read, and never imported.

As a column of the dataset it would be a feature, by which lists are made for those who asked for none.
"""

from collections.abc import Mapping
from types import MappingProxyType

WANTS, OBJECTS = "PERSONALIZATION", "PERSONALIZATION_OPT_OUT"
"""Yes in the first means personal lists, and yes in the second means none."""
NAMES: Mapping[str, str] = MappingProxyType(
    {
        WANTS: """
    personalization personalisation personalize personalise personalizationconsent personalisationconsent
    personalizationenabled personalisationenabled personalizationallowed consentpersonalization
    personalizedrecommendations personalisedrecommendations 개인화 개인화동의 개인화추천동의 맞춤추천 맞춤추천동의
    パーソナライズ パーソナライズ同意 个性化推荐 個人化推薦 personalisierung personnalisation personalizacion
""",
        OBJECTS: """
    personalizationoptout personalisationoptout optoutpersonalization optoutpersonalisation nopersonalization
    nopersonalisation personalizationobjection objectstopersonalization 개인화거부 개인화추천거부
    맞춤추천거부 パーソナライズ拒否
""",
    }
)
"""The usual names of both, in the form of `usual_names`."""
USUAL = MappingProxyType({word.upper(): name for name, words in NAMES.items() for word in words.split()})
"""The column that each of these names means, as they are without underscores and in capitals."""
_YES = "yes y true t 1 1.0 on ja j oui si sí sim はい 是 예 네 동의 허용"
_NO = "no n false f 0 0.0 off nein non não いいえ 否 아니오 아니요 거부 거절"
YES, NO = frozenset(_YES.split()), frozenset(_NO.split())
