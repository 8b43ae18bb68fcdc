// Measurements of the library, one command each; every command ends in one line of JSON. docs/performance.md explains the figures.
using System.CommandLine;
using Microsoft.ML.Transfusion.Benchmarks;

return new RootCommand("Measures Microsoft.ML.Transfusion.")
{
    TrainStepCommand.Create(),
    DataCommand.Create(),
    PrecisionCommand.Create(),
    DecodeCommand.Create(),
    DenoiseCommand.Create(),
    ScoreCommand.Create(),
    CallersCommand.Create(),
    DevicesCommand.Create(),
}.Parse(args).Invoke();
