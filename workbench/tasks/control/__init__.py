"""Control: tasks that are acted in, where others have examples.

environment       what an environment is, and the actions it takes
rollout           acting in one by a policy, move by move
repeated          several episodes on one task, as one trial
bandits, mdp, navigation
                  families of tasks whose size is chosen
family            what families of one environment have in common:
reacher, grid, pendulum, mujoco
wrapped           gymnasium's environments, which cannot go back
"""
