"""The table that a tuberculosis programme needs before it sets a threshold, of any CAD's scores (`lungspot tb`)."""

from lungspot.adapt.tb.agreement import CadAgreement, Month, cad_agreement, share, shares_by_month
from lungspot.adapt.tb.bands import Division, divisions_of
from lungspot.adapt.tb.chance import Estimate
from lungspot.adapt.tb.choice import ThresholdChoice, choices, meets
from lungspot.adapt.tb.costs import Costs
from lungspot.adapt.tb.discrimination import area_under_roc
from lungspot.adapt.tb.folder import SCREENING_FILES, screening_folder
from lungspot.adapt.tb.people import People, read_people
from lungspot.adapt.tb.planning import Plan, StudyAim, plan_study
from lungspot.adapt.tb.remarks import screening_short
from lungspot.adapt.tb.summary import ScreeningSettings, screening_summary
from lungspot.adapt.tb.table import ThresholdRow, screening_table
from lungspot.adapt.tb.targets import TargetProfile, read_targets
from lungspot.adapt.tb.thresholds import thresholds_of
from lungspot.adapt.tb.verification import Verification, VerificationGroup, likely_triage, verification_weights

__all__ = [
    "SCREENING_FILES",
    "CadAgreement",
    "Costs",
    "Division",
    "Estimate",
    "Month",
    "People",
    "Plan",
    "ScreeningSettings",
    "StudyAim",
    "TargetProfile",
    "ThresholdChoice",
    "ThresholdRow",
    "Verification",
    "VerificationGroup",
    "area_under_roc",
    "cad_agreement",
    "choices",
    "divisions_of",
    "likely_triage",
    "meets",
    "plan_study",
    "read_people",
    "read_targets",
    "screening_folder",
    "screening_short",
    "screening_summary",
    "screening_table",
    "share",
    "shares_by_month",
    "thresholds_of",
    "verification_weights",
]
