// The types that the page's scripts share, for the type checker; the page does not load this file.

type MediaFile = {
  id?: string; // the beginning of its SHA-256; undefined: it was never fetched
  type: string;
  bytes?: number;
  here?: boolean;
  href?: string;
  stored?: boolean; // in an object store, and this page does not link to it
  altered?: boolean; // somebody changed it on this machine, so that `collect` leaves it alone
  pointer?: boolean; // Git LFS left a pointer in its place, so that `git lfs pull` brings it
  poster?: boolean;
  width?: number;
  height?: number;
  duration?: number;
  frame_rate?: number;
  audio?: boolean;
};

type RequestData = {
  options?: Record<string, unknown>;
  images?: { id?: string; source?: string; of?: string; content?: string }[]; // content: its hash or version
  event?: string;
};

type NoteData = { at?: number; text: string; by?: string };

type PurchaseData = {
  id: string;
  key: string;
  fingerprint?: string; // the beginning of that of its request
  status: string;
  reason?: string;
  template: string;
  workflow?: string;
  text?: string;
  request?: RequestData;
  inputs?: string[];
  replaces?: string[];
  price?: number;
  bought: string;
  created?: string;
  updated?: string;
  error?: string;
  deleted?: boolean;
  files?: number[];
  steps?: (string | { flow: string; files: number[] })[];
  decision?: string;
  rating?: number;
  note?: string;
  notes?: NoteData[];
  by?: string;
  at?: string;
};

type JobData = {
  key: string;
  status: string;
  reason?: string;
  purchase?: string;
  last?: string;
  decision?: string;
  action?: string;
  fingerprint?: string; // the beginning of that of its request, if it is not made and what a run would do is not known
  upstream?: string;
  needs_approval?: boolean; // it is made from an approved take of that
  rule: string;
  template: string;
  image?: string;
  prompt?: string;
  axes?: Record<string, string>;
  take?: number;
  text?: string;
  request?: RequestData;
  price?: number;
};

type CampaignData = {
  name: string;
  command: string;
  flags?: string;
  vars?: string[]; // the flags of its vars, each with its argument
  results?: string; // the results with their flags, if its manifest is not there: few commands take them
  shard?: string; // the flags that choose the shard of the run that serves this page
  emulated?: boolean;
  spent: number;
  budget?: number; // if all jobs are on the page
  budget_left?: number; // what all jobs have left of it, also those that are not on the page
  budget_unpriced?: number; // the purchases, of all, whose price is not known even today
  max_credits?: number;
  selected_of?: number; // the number of all its jobs, if only some are on the page
  select?: string; // the flags that selected them
  next_run?: Forecast | null; // what `run` would make and buy; undefined: no manifest was read
  retry_run?: Forecast | null; // what `run --retry-failed` would, if that differs
  unseen?: number; // how many of these jobs are new or changed in the manifest, and not among `jobs` as such
  usual?: Record<string, number>; // by template id: the seconds that its workflows took so far
  template_ids?: Record<string, string>; // by the name of a template in the manifest
  run?: RunData | null; // the last one
  calls?: Record<string, number> | null; // its calls by minute; null: not counted
  deferred?: Record<string, number> | null; // by minute, its creates that the vendor deferred
  goes_on?: boolean | null; // whether a run goes on; null: that cannot be seen
  changed?: string; // when something was last seen to change
  lost_approvals?: string | null; // what is missing, if only the results know of approvals
  trouble?: string | null; // why the files on disk cannot be read now
  jobs: JobData[];
  purchases: PurchaseData[];
  files: MediaFile[];
  before?: { name: string; jobs: JobData[]; purchases: PurchaseData[] };
};

type Forecast = {
  jobs: number;
  purchases: number; // for these jobs
  credits: number;
  unknown: number; // the purchases with no known price
  limit?: string; // what stops all of it, besides credits that exceed a cap
};

// What the next run makes because of a decision, and what it makes no longer.
type Outlook = { buys: Forecast; spares: Forecast };

type RunData = {
  started: string;
  spent: number;
  max_credits: number | null;
  in_flight: number | null;
  waiting?: Record<string, number>; // of one that goes on, by template: the number of purchases still to make
  chains?: { under_way: string | null; waiting: string[] }[]; // the templates of what it makes one after another
  coming?: number; // the known credits for these
};

type LiveData = {
  event: string; // the id of the last event that the data includes
  can_decide: boolean;
};

type GalleryData = {
  version: number;
  tool: string;
  posters: boolean;
  videos: boolean;
  bundle?: boolean; // the page is handed on with its videos, maybe to somebody who has nothing else of the campaign
  live?: LiveData;
  campaigns: CampaignData[];
};

type Campaign = CampaignData & { number: number };

type Purchase = Omit<PurchaseData, "files" | "steps"> & {
  campaign: Campaign;
  files: MediaFile[];
  steps: { flow: string; files: MediaFile[] }[];
  cost: number;
};

type State =
  | "approved"
  | "undecided"
  | "rejected"
  | "missing"
  | "altered"
  | "underway"
  | "pending"
  | "redo"
  | "failed"
  | "attention";

type Job = JobData & {
  campaign: Campaign;
  address: string; // its name in the address of the page
  serving: Purchase | undefined; // the purchase that serves it now
  shown: Purchase | undefined; // that one, or the last one that did
  seen: Purchase | undefined; // what to look at and decide on: the one that serves, or a take that was sent back
  file: MediaFile | undefined; // the first of its files
  state: State;
  rating: number;
  cost: number | undefined;
  length: number;
  ratio: number;
  ratioName: string;
  newest: string;
  prose: string; // the prompt as it was rendered
  haystack: string;
  lang: string | undefined;
};

type Model = {
  data: GalleryData;
  campaigns: Campaign[];
  jobs: Job[];
  byAddress: Map<string, Job>;
  byKey: Map<string, Job>[]; // by campaign
  purchases: Map<string, Purchase>;
};

type View = {
  view: "browse" | "failures" | "compare" | "job" | "live";
  q: string;
  sort: string;
  job: string;
  file: number; // which of the job's files is on the stage, from 1
  compare: string[];
  mode: "wipe" | "side";
};

type Term = { source: string; field: string; test: (job: Job) => boolean; fits: boolean };

type Search = { terms: Term[]; nothing: Term | undefined };

type Props = Record<string, unknown>;

type Child = Node | string | undefined | null | false;

/** A review of a purchase: `at` is the moment in seconds that `note` is about. */
type Review = { decision?: string; rating?: number; note?: string; at?: number };

/** The changes: jobs as "number key", with the number of their campaign, and purchases. Undefined: maybe anything. */
type Changed = { jobs: Set<string>; purchases: Set<string> } | undefined;

type Source = {
  readonly canDecide: boolean;
  readonly isLive: boolean;
  readonly isConnected: boolean; // whether files can be fetched now
  readonly hasEnded: boolean; // whether the server of this page is gone for good
  readonly views: Record<string, () => Node[]>; // the views that only this page has
  ready(): void; // called when the page is built
  goesOn(campaign?: Campaign): boolean; // whether a run of it, or of any, is known to go on now
  age(job: Job): HTMLElement | undefined; // how long it has been under way; undefined on a page that stands still
  load(): Promise<GalleryData>;
  still(file: MediaFile): string | undefined;
  href(file: MediaFile): string | undefined;
  decide(purchase: Purchase, review: Review): Promise<Outlook | undefined>;
  onChange(onData: (data: GalleryData, changed: Changed) => void): void;
};
