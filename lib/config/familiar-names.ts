// Option names people bring along from other trainers (llm.c, nanoGPT, Megatron-LM, Hugging Face TrainingArguments,
// LitGPT), each with burgeon's key. Only used to answer an unknown key with the right one: none is accepted, because
// several mean different units elsewhere (tokens, sequences, per device).

/** A name in lower case without separators, and burgeon's key. */
const keys = new Map<string, string>([
  ['microbatchsize', 'batchSize'],
  ['perdevicetrainbatchsize', 'batchSize'],
  ['globalbatchsize', 'accumulationSteps'],
  ['gradientaccumulationsteps', 'accumulationSteps'],
  ['gradaccumsteps', 'accumulationSteps'],
  ['blocksize', 'sequenceLength'],
  ['seqlen', 'sequenceLength'],
  ['seqlength', 'sequenceLength'],
  ['maxseqlength', 'sequenceLength'],
  ['maxiters', 'steps'],
  ['maxsteps', 'steps'],
  ['trainiters', 'steps'],
  ['numiterations', 'steps'],
  ['iterations', 'steps'],
  ['outdir', 'output'],
  ['outputdir', 'output'],
  ['logdir', 'output'],
  ['initialcheckpointdir', 'initFrom'],
  ['modelnameorpath', 'initFrom'],
  ['numthreads', 'threads'],
  ['backend', 'device'],
  ['numlayers', 'model.nLayer'],
  ['numhiddenlayers', 'model.nLayer'],
  ['numattentionheads', 'model.nHead'],
  ['numkeyvalueheads', 'model.nKvHead'],
  ['nquerygroups', 'model.nKvHead'],
  ['numquerygroups', 'model.nKvHead'],
  ['headdim', 'model.headSize'],
  ['rmsnormeps', 'model.rmsNormEpsilon'],
  ['ropebase', 'model.ropeTheta'],
  ['rotarybase', 'model.ropeTheta'],
  ['tiewordembeddings', 'model.tiedHead'],
  ['hiddensize', 'model.nEmbd'],
  ['dmodel', 'model.nEmbd'],
  ['intermediatesize', 'model.nInner'],
  ['ffnhiddensize', 'model.nInner'],
  ['nctx', 'model.contextLength'],
  ['npositions', 'model.contextLength'],
  ['maxpositionembeddings', 'model.contextLength'],
  ['dataset', 'data.directory'],
  ['datadir', 'data.directory'],
  ['datapath', 'data.directory'],
  ['lr', 'optimizer.learningRate'],
  ['minlr', 'optimizer.minLearningRate'],
  ['lrdecaystyle', 'optimizer.schedule'],
  ['lrschedulertype', 'optimizer.schedule'],
  ['warmupiters', 'optimizer.warmupSteps'],
  ['lrwarmupiters', 'optimizer.warmupSteps'],
  ['lrwarmupsteps', 'optimizer.warmupSteps'],
  ['adambeta1', 'optimizer.beta1'],
  ['adambeta2', 'optimizer.beta2'],
  ['adamepsilon', 'optimizer.epsilon'],
  ['eps', 'optimizer.epsilon'],
  ['gradclip', 'optimizer.gradientClip'],
  ['clipgrad', 'optimizer.gradientClip'],
  ['maxgradnorm', 'optimizer.gradientClip'],
  ['maxnorm', 'optimizer.gradientClip'],
  ['evalinterval', 'evaluation.every'],
  ['evalsteps', 'evaluation.every'],
  ['valinterval', 'evaluation.every'],
  ['evaliters', 'evaluation.windows'],
  ['saveinterval', 'checkpoint.every'],
  ['savesteps', 'checkpoint.every'],
  ['saveretaininterval', 'checkpoint.keepLast'],
  ['savetotallimit', 'checkpoint.keepLast'],
  ['loginterval', 'log.every'],
  ['loggingsteps', 'log.every'],
]);

/** Lower case, without `-` and `_`: `max_iters`, `max-iters` and `maxIters` are one name. */
export function normalizeName(name: string): string {
  return name.toLowerCase().replace(/[-_]/g, '');
}

/** burgeon's key for another program's option name, if it is a known one. */
export function familiarKey(name: string): string | undefined {
  return keys.get(normalizeName(name));
}
